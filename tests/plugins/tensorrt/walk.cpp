// Walks a plugin library as TensorRT would, without TensorRT and, if need be, without a GPU:
//     walk LIBRARY HEADS HEAD_DIM HIDDEN...
// for a model of so many heads, one walk through TokenImportance for each HIDDEN (0: without weights). With
// the tests' libcuda.so.1 and a GPU in FAKE_SM, kernels are launched as well. A line a check; the exit status
// is 1 if one failed.
#include <dlfcn.h>

#include <cstdlib>
#include <new>

#include "host.h"
#include "node.h"

using namespace host;

static size_t allocations = 0;

void* operator new(size_t bytes) {
    ++allocations;
    if (void* memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace {

void walk_shapes(const Plugin& plugin, const Node& node) {
    Lengths lengths;
    std::vector<DimsExprs> inputs, outputs(node.outputs.size());
    for (const Shape& shape : node.inputs) {
        inputs.push_back({static_cast<int32_t>(shape.size()), {}});
        for (size_t axis = 0; axis < shape.size(); ++axis)
            inputs.back().d[axis] =
                axis == 0 && shape[0] == 2 ? lengths.unknown("B") : lengths.constant(shape[axis]);
    }
    const auto ask = [&](int32_t count) {
        return build(plugin).getOutputShapes(
            inputs.data(), count, nullptr, 0, outputs.data(), node.made(), lengths);
    };
    bool right = ask(node.count()) == 0;
    for (size_t i = 0; right && i < outputs.size(); ++i) {
        right = outputs[i].nbDims == static_cast<int32_t>(node.outputs[i].size());
        for (size_t axis = 0; right && axis < node.outputs[i].size(); ++axis) {
            const std::string wanted = axis ? std::to_string(node.outputs[i][axis]) : "B";
            right = static_cast<const Length*>(outputs[i].d[axis])->text == wanted;
        }
    }
    check(right, "shapes of the outputs, of any batch");
    inputs.resize(9, inputs[0]);
    refused(ask(9) != 0, "refuses nine inputs");
    inputs[0].d[inputs[0].nbDims++] = lengths.constant(1);
    refused(ask(node.count()) != 0, "refuses an axis too many");
}

void walk_formats(const Plugin& plugin, const Node& node) {
    const int32_t count = node.count(), total = count + node.made();
    const auto takes = [&](const std::vector<DynamicPluginTensorDesc>& all, int32_t place) {
        return build(plugin).supportsFormatCombination(place, all.data(), count, total - count);
    };
    for (DataType model : {DataType::kHALF, DataType::kFLOAT}) {
        bool all_taken = true, no_other = true;
        for (int32_t place = 0; place < total; ++place) {
            auto all = node.dynamic(model);
            all_taken = all_taken && takes(all, place);
            all[place].desc.type = DataType::kINT8;
            no_other = no_other && !takes(all, place);
            all = node.dynamic(model);
            all[place].desc.format = TensorFormat::kCHW32;
            no_other = no_other && !takes(all, place);
        }
        check(all_taken, model == DataType::kHALF ? "takes float16, linear" : "takes float32, linear");
        check(no_other, "refuses INT8 and other formats");
    }
    reasons.taken();
    auto narrow = node.dynamic(DataType::kHALF);
    narrow[0].desc.dims.d[narrow[0].desc.dims.nbDims - 1] = 48;
    refused(!takes(narrow, 0), "refuses a width that no kernel has");
}

void walk_types(const Plugin& plugin, const Node& node) {
    std::vector<DataType> inputs, outputs(node.outputs.size());
    for (size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(node.type(i, DataType::kHALF));
    bool right = build(plugin).getNbOutputs() == static_cast<int32_t>(outputs.size())
        && build(plugin).getOutputDataTypes(
               outputs.data(), static_cast<int32_t>(outputs.size()), inputs.data(),
               static_cast<int32_t>(inputs.size())) == 0;
    for (size_t i = 0; i < outputs.size(); ++i)
        right = right && outputs[i] == node.type(inputs.size() + i, DataType::kHALF);
    check(right, "types of the outputs");
}

void walk_memory(const Plugin& plugin, const Node& node) {
    const auto all = node.dynamic(DataType::kHALF);
    const int32_t count = node.count(), made = node.made();
    check(build(plugin).configurePlugin(all.data(), count, &all[count], made) == 0, "is configured");
    const size_t bytes = build(plugin).getWorkspaceSize(all.data(), count, &all[count], made);
    check(bytes == node.scratch, "asks for " + std::to_string(bytes) + " bytes of workspace");
}

void walk_run(const Plugin& plugin, const Node& node, bool gpu) {
    const auto all = node.exact(DataType::kHALF);
    const int32_t count = node.count(), made = node.made();
    const void* inputs[8];
    void* outputs[4];
    for (uintptr_t i = 0; i < 8; ++i) inputs[i] = reinterpret_cast<void*>(0x1000 * (i + 1));
    for (uintptr_t i = 0; i < 4; ++i) outputs[i] = reinterpret_cast<void*>(0x10000 * (i + 1));
    const auto enqueue = [&](const Plugin& which) {
        return runtime(which).enqueue(
            all.data(), &all[count], inputs, outputs, reinterpret_cast<void*>(0x100000),
            reinterpret_cast<cudaStream_t>(0x5));
    };
    refused(enqueue(plugin) != 0, "is not enqueued unattached");
    const Plugin attached(runtime(plugin).attachToContext(nullptr));
    if (!gpu) {
        refused(!attached, "does not attach without a GPU");
        return;
    }
    if (!check(attached != nullptr, "attaches to a context")) return;
    check(runtime(attached).onShapeChange(all.data(), count, &all[count], made) == 0, "is told its shapes");
    std::printf("enqueue %s\n", node.name);
    const size_t before = allocations;
    const int32_t error = enqueue(attached);
    const size_t made_on_the_way = allocations - before;
    check(error == 0 && made_on_the_way == 0, "is enqueued, and allocates nothing");
    inputs[0] = reinterpret_cast<void*>(0x1008);
    refused(enqueue(attached) != 0, "is not enqueued with an odd address");
}

void walk_node(IPluginCreatorV3One& creator, const Node& node, bool gpu) {
    Plugin plugin = create(creator, node.fields(), Phase::kBUILD);
    if (!check(plugin != nullptr, "is created from a node")) return;
    check(core(plugin).getPluginName() == std::string(node.name), "says its name");
    check(core(plugin).getPluginVersion() == std::string("1"), "says its version");
    check(core(plugin).getPluginNamespace() == std::string("tosa_edge"), "says its namespace");
    for (const char* stage : {"as created", "as cloned", "as an engine has it"}) {
        std::printf("-- %s, %zu inputs, %s\n", node.name, node.inputs.size(), stage);
        walk_types(plugin, node);
        walk_shapes(plugin, node);
        walk_formats(plugin, node);
        walk_memory(plugin, node);
        walk_run(plugin, node, gpu);
        const PluginFieldCollection& kept = *runtime(plugin).getFieldsToSerialize();
        check(kept.nbFields == static_cast<int32_t>(node.fields().size()), "serialises its attributes");
        const bool cloned = stage == std::string("as created");
        plugin = cloned ? Plugin(plugin->clone())
                        : create(creator, {kept.fields, kept.fields + kept.nbFields}, Phase::kRUNTIME);
        if (!check(plugin != nullptr, cloned ? "is cloned" : "is created from an engine")) return;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) return std::printf("usage: walk LIBRARY HEADS HEAD_DIM HIDDEN...\n"), 2;
    void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!check(library != nullptr, std::string("loads ") + (library ? argv[1] : dlerror()))) return 1;
    using Creators = IPluginCreatorInterface* const* (*)(int32_t&);
    int32_t count = 0;
    auto* const* creators = reinterpret_cast<Creators>(dlsym(library, "getCreators"))(count);
    check(count == 4, "has four creators");
    // By that name a loader expects plugins of version 2, and would call what ours have not.
    check(!dlsym(library, "getPluginCreators"), "lists none as of version 2");
    auto* const set_finder = reinterpret_cast<void (*)(ILoggerFinder*)>(dlsym(library, "setLoggerFinder"));
    Finder finder;
    set_finder(&finder);
    std::vector<int> hiddens;
    for (int i = 4; i < argc; ++i) hiddens.push_back(std::atoi(argv[i]));
    const char* sm = std::getenv("FAKE_SM");
    for (int32_t i = 0; i < count; ++i) {
        check(creators[i]->getInterfaceInfo().kind == std::string("PLUGIN CREATOR_V3ONE"), "is a V3 creator");
        auto& creator = static_cast<IPluginCreatorV3One&>(*creators[i]);
        int walked = 0;
        for (const Node& node : nodes(std::atoi(argv[2]), std::atoi(argv[3]), hiddens)) {
            if (creator.getPluginName() != std::string(node.name)) continue;
            const auto fields = static_cast<int32_t>(node.fields().size());
            check(creator.getFieldNames()->nbFields == fields, "names its fields");
            walk_node(creator, node, sm && std::atoi(sm) > 0);
            for (const auto& [what, bad] : bad_fields(node))
                refused(!create(creator, bad, Phase::kBUILD), "refuses " + what);
            ++walked;
        }
        check(walked > 0, std::string("was walked: ") + creator.getPluginName());
    }
    set_finder(nullptr);
    dlclose(library);
    std::printf("%d failed\n", failures);
    return failures > 0;
}
