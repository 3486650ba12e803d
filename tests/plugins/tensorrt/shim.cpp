// Plays TensorRT to a plugin library, a call at a time, for a program that has the memory and the stream: what
// `walk` asks for without a GPU, this does with one. tests/gpu/shim.py calls it.
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "host.h"

using namespace host;

namespace {

constexpr int kTensors = 12;

struct Tensor {  // `type` as TensorRT numbers its DataType
    int32_t type, rank;
    int64_t d[8];
};

struct Attribute {
    const char* name;
    int32_t whole;
    double value;
};

void* library = nullptr;
std::vector<IPluginCreatorV3One*> creators;
Finder finder;
std::string last;  // why something was refused

PluginTensorDesc exact(const Tensor& tensor) {
    PluginTensorDesc desc{};
    desc.type = static_cast<DataType>(tensor.type);
    desc.format = TensorFormat::kLINEAR;
    desc.dims.nbDims = tensor.rank;
    std::copy_n(tensor.d, tensor.rank, desc.dims.d);
    return desc;
}

// As in a profile of 1 to that many pictures; weights have no pictures, and a first axis of their own.
DynamicPluginTensorDesc dynamic(const Tensor& tensor, int64_t batch) {
    DynamicPluginTensorDesc desc{};
    desc.desc = exact(tensor);
    desc.min = desc.max = desc.opt = desc.desc.dims;
    if (tensor.rank > 1 && tensor.d[0] == batch) {
        desc.desc.dims.d[0] = -1;
        desc.min.d[0] = 1;
    }
    return desc;
}

IPluginV3& plugin(void* handle) { return *static_cast<IPluginV3*>(handle); }

IPluginV3OneBuild& building(void* handle) {
    return *static_cast<IPluginV3OneBuild*>(plugin(handle).getCapabilityInterface(PluginCapabilityType::kBUILD));
}

IPluginV3OneRuntime& running(void* handle) {
    return *static_cast<IPluginV3OneRuntime*>(
        plugin(handle).getCapabilityInterface(PluginCapabilityType::kRUNTIME));
}

IPluginCreatorV3One* creator(const char* name) {
    for (auto* one : creators)
        if (one->getPluginName() == std::string(name)) return one;
    return nullptr;
}

long long refuse(const std::string& what) {
    last = what + ": " + reasons.taken();
    return -1;
}

}  // namespace

extern "C" {

// Why the last call failed.
const char* shim_said() { return last.c_str(); }

// How many creators the library has; -1 if it is none.
int shim_open(const char* path) {
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return last = dlerror(), -1;
    using Creators = IPluginCreatorInterface* const* (*)(int32_t&);
    const auto get = reinterpret_cast<Creators>(dlsym(library, "getCreators"));
    const auto set_finder = reinterpret_cast<void (*)(ILoggerFinder*)>(dlsym(library, "setLoggerFinder"));
    if (!get || !set_finder) return last = "it exports no getCreators or no setLoggerFinder", -1;
    set_finder(&finder);
    int32_t count = 0;
    auto* const* found = get(count);
    creators.clear();
    for (int32_t i = 0; i < count; ++i) creators.push_back(static_cast<IPluginCreatorV3One*>(found[i]));
    return count;
}

void shim_close() {
    creators.clear();
    if (!library) return;
    reinterpret_cast<void (*)(ILoggerFinder*)>(dlsym(library, "setLoggerFinder"))(nullptr);
    dlclose(library);
    library = nullptr;
}

// A plugin as a parser makes it of a node.
void* shim_create(const char* name, const Attribute* attributes, int count) {
    auto* const from = creator(name);
    if (!from) return last = std::string("there is no creator of ") + name, nullptr;
    std::vector<int32_t> wholes(count);
    std::vector<float> reals(count);
    std::vector<PluginField> fields;
    for (int i = 0; i < count; ++i) {
        wholes[i] = static_cast<int32_t>(attributes[i].value);
        reals[i] = static_cast<float>(attributes[i].value);
        if (attributes[i].whole)
            fields.emplace_back(attributes[i].name, &wholes[i], PluginFieldType::kINT32, 1);
        else
            fields.emplace_back(attributes[i].name, &reals[i], PluginFieldType::kFLOAT32, 1);
    }
    void* made = create(*from, fields, Phase::kBUILD).release();
    if (!made) refuse("it was not created from a node");
    return made;
}

// The same, as an engine that was written with it and read again has it.
void* shim_from_engine(void* built) {
    auto& core = *static_cast<IPluginV3OneCore*>(plugin(built).getCapabilityInterface(PluginCapabilityType::kCORE));
    const PluginFieldCollection& kept = *running(built).getFieldsToSerialize();
    void* made = create(*creator(core.getPluginName()), {kept.fields, kept.fields + kept.nbFields}, Phase::kRUNTIME)
                     .release();
    if (!made) refuse("it was not created from an engine");
    return made;
}

// What a builder asks, of inputs and then outputs with the most pictures; the bytes of workspace.
long long shim_build(void* built, const Tensor* tensors, int inputs, int outputs) {
    const int64_t batch = tensors[0].d[0];
    std::vector<DynamicPluginTensorDesc> all;
    for (int i = 0; i < inputs + outputs; ++i) all.push_back(dynamic(tensors[i], batch));
    for (int i = 0; i < inputs + outputs; ++i)
        if (!building(built).supportsFormatCombination(i, all.data(), inputs, outputs))
            return refuse("a tensor was not taken");
    DataType given[kTensors], types[kTensors];
    for (int i = 0; i < inputs; ++i) given[i] = all[i].desc.type;
    if (building(built).getOutputDataTypes(types, outputs, given, inputs)) return refuse("no types of outputs");
    for (int i = 0; i < outputs; ++i)
        if (types[i] != all[inputs + i].desc.type) return refuse("another type of output");
    Lengths lengths;
    DimsExprs shapes[kTensors], made[kTensors];
    for (int i = 0; i < inputs; ++i) {
        shapes[i].nbDims = tensors[i].rank;
        for (int axis = 0; axis < tensors[i].rank; ++axis) shapes[i].d[axis] = lengths.constant(tensors[i].d[axis]);
    }
    if (building(built).getOutputShapes(shapes, inputs, nullptr, 0, made, outputs, lengths))
        return refuse("no shapes of outputs");
    for (int i = 0; i < outputs; ++i)
        for (int axis = 0; axis < tensors[inputs + i].rank; ++axis)
            if (made[i].d[axis]->getConstantValue() != tensors[inputs + i].d[axis])
                return refuse("another shape of output");
    if (building(built).configurePlugin(all.data(), inputs, &all[inputs], outputs)) return refuse("not configured");
    return static_cast<long long>(building(built).getWorkspaceSize(all.data(), inputs, &all[inputs], outputs));
}

// Into an execution context.
void* shim_attach(void* built) {
    void* attached = running(built).attachToContext(nullptr);
    if (!attached) refuse("it was not attached");
    return attached;
}

int shim_shapes(void* attached, const Tensor* tensors, int inputs, int outputs) {
    std::vector<PluginTensorDesc> all;
    for (int i = 0; i < inputs + outputs; ++i) all.push_back(exact(tensors[i]));
    if (!running(attached).onShapeChange(all.data(), inputs, &all[inputs], outputs)) return 0;
    return static_cast<int>(refuse("the shapes were not taken"));
}

int shim_enqueue(
    void* attached, const Tensor* tensors, int inputs, int outputs, const void* const* addresses,
    void* const* made, void* workspace, void* stream) {
    std::vector<PluginTensorDesc> all;
    for (int i = 0; i < inputs + outputs; ++i) all.push_back(exact(tensors[i]));
    if (!running(attached).enqueue(
            all.data(), &all[inputs], addresses, made, workspace, static_cast<cudaStream_t>(stream)))
        return 0;
    return static_cast<int>(refuse("it was not enqueued"));
}

void shim_destroy(void* made) { delete &plugin(made); }
}
