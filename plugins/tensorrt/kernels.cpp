#include "kernels.h"

#include <algorithm>

namespace tosa {

namespace {

constexpr int kMaxDynamicSharedSize = 8;  // CUfunction_attribute
constexpr unsigned kSharedWithoutAsking = 48 * 1024;

union Value {
    const void* pointer;
    int32_t whole;
    float real;
};

Value value_of(const Parameter& from, const Sizes& sizes, const Given& given, const Memory& memory) {
    Value value{};
    switch (from.source) {
    // An absent input is never read, but its address is asked for.
    case Source::input: value.pointer = memory.inputs[from.place < memory.count ? from.place : 0]; break;
    case Source::output: value.pointer = memory.outputs[from.place]; break;
    case Source::scratch: value.pointer = memory.scratch; break;
    case Source::size: value.whole = static_cast<int32_t>(sizes[from.place]); break;
    case Source::real: value.real = given.reals[from.place]; break;
    case Source::nothing: break;
    }
    return value;
}

// Is an address one that the kernels were compiled for? Another would take the whole CUDA context down.
bool is_sound(const Parameter& from, const Value& value) {
    switch (from.source) {
    case Source::input:
    case Source::output:
    case Source::scratch: return value.pointer && reinterpret_cast<uintptr_t>(value.pointer) % 16 == 0;
    default: return true;
    }
}

}  // namespace

std::unique_ptr<Kernels> Kernels::load(const Operator& op, const Given& given, std::string& why) {
    const Driver* driver = Driver::get(why);
    const int gpu = driver ? driver->current_sm(why) : 0;
    if (!gpu) return nullptr;
    int sm = 0;
    for (int i = 0; i < kKernelCount; ++i)
        if (&kOperators[kKernels[i].op] == &op && runs(kKernels[i].sm, gpu))
            sm = std::max(sm, kKernels[i].sm);
    Sizes sizes = given.sizes;
    op.derive(sizes);
    std::unique_ptr<Kernels> kernels(new Kernels(op, *driver));
    for (int i = 0; i < kKernelCount; ++i) {
        const Kernel& kernel = kKernels[i];
        if (kernel.sm != sm || !serves(kernel, op, kernel.type, sizes)) continue;
        why = kernels->load(kernel);
        if (!why.empty()) return nullptr;
    }
    if (!kernels->ready_.empty()) return kernels;
    why = std::string(op.name) + ": no kernel was compiled for sm_" + std::to_string(gpu)
        + " and these attributes";
    return nullptr;
}

std::string Kernels::load(const Kernel& kernel) {
    Ready ready{&kernel, nullptr, nullptr};
    Driver::Result error = driver_.load_module(&ready.module, cubin(kernel));
    if (!error) {
        ready_.push_back(ready);  // from here on the destructor unloads it
        error = driver_.get_function(&ready_.back().function, ready.module, kernel.function);
    }
    if (!error && kernel.shared > kSharedWithoutAsking)
        error = driver_.set_attribute(
            ready_.back().function, kMaxDynamicSharedSize, static_cast<int>(kernel.shared));
    if (!error) return "";
    return std::string("cannot load ") + kernel.function + " for sm_" + std::to_string(kernel.sm) + ": "
        + driver_.name(error);
}

Kernels::~Kernels() {
    // A context that is gone has taken its modules along: nothing to be done about an error.
    for (const Ready& ready : ready_) driver_.unload_module(ready.module);
}

const Kernels::Ready* Kernels::find(Type type, const Sizes& sizes, int step) const {
    for (const Ready& ready : ready_)
        if (ready.kernel->step == step && serves(*ready.kernel, op_, type, sizes)) return &ready;
    return nullptr;
}

std::string Kernels::launch(
    Type type, const Sizes& sizes, const Given& given, const Memory& memory, void* stream) const {
    for (int step = 0;; ++step) {
        const Ready* ready = find(type, sizes, step);
        if (!ready && step > 0) return "";
        if (!ready) return std::string(op_.name) + ": no kernel is loaded for " + wanted(op_, type, sizes);
        const Kernel& kernel = *ready->kernel;
        Value values[16];
        void* pointers[16];
        for (int i = 0; i < kernel.parameters.count; ++i) {
            values[i] = value_of(kernel.parameters[i], sizes, given, memory);
            pointers[i] = &values[i];
            if (!is_sound(kernel.parameters[i], values[i]))
                return std::string(op_.name) + ": an address is null or not a multiple of 16";
        }
        unsigned grid[3] = {1, 1, 1};
        for (int i = 0; i < kernel.grid.count; ++i) {
            const Programs& programs = kernel.grid[i];
            grid[i] = static_cast<unsigned>((sizes[programs.size] + programs.block - 1) / programs.block);
        }
        const Driver::Result error = driver_.launch(
            ready->function, grid[0], grid[1], grid[2], kernel.threads, 1, 1, kernel.shared, stream, pointers,
            nullptr);
        if (error) return std::string("cannot launch ") + kernel.function + ": " + driver_.name(error);
    }
}

}  // namespace tosa
