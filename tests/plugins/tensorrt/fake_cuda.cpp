// A libcuda.so.1 without a GPU: it says what it was asked, a line a call, and takes what a parameter is from
// the cubin itself, as the driver does. FAKE_SM is the GPU, as 87; 0: no context is current.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "../../fake_gpu/cubin.h"

namespace {

constexpr int kInvalidContext = 201, kInvalidImage = 200, kNotFound = 500, kInvalidValue = 1;
struct Function {
    std::string name;
    cubin::Parameters parameters{};
    int most_shared = 48 * 1024;  // until more is asked for
};
using Module = std::map<std::string, Function>;
int modules = 0;

int gpu() {
    const char* sm = std::getenv("FAKE_SM");
    return sm ? std::atoi(sm) : 0;
}

}  // namespace

extern "C" {

int cuCtxGetDevice(int* device) {
    *device = 0;
    return gpu() ? 0 : kInvalidContext;
}

int cuDeviceGetAttribute(int* value, int attribute, int) {
    *value = attribute == 75 ? gpu() / 10 : gpu() % 10;
    return attribute == 75 || attribute == 76 ? 0 : kInvalidValue;
}

int cuModuleLoadData(void** module, const void* data) {
    const char* image = static_cast<const char*>(data);
    if (!cubin::is_one(image)) return kInvalidImage;
    auto* made = new Module;
    for (const auto& [name, parameters] : cubin::functions(image)) (*made)[name] = {name, parameters};
    *module = made;
    std::printf("driver load sm_%u, %d loaded\n", cubin::architecture(image), ++modules);
    return 0;
}

int cuModuleUnload(void* module) {
    delete static_cast<Module*>(module);
    std::printf("driver unload, %d loaded\n", --modules);
    return 0;
}

int cuModuleGetFunction(void** function, void* module, const char* name) {
    auto& functions = *static_cast<Module*>(module);
    auto found = functions.find(name);
    if (found == functions.end()) return kNotFound;
    *function = &found->second;
    return 0;
}

int cuFuncSetAttribute(void* function, int attribute, int value) {
    auto& asked = *static_cast<Function*>(function);
    std::printf("driver attribute %s %d %d\n", asked.name.c_str(), attribute, value);
    if (attribute != 8) return kInvalidValue;
    asked.most_shared = value;
    return 0;
}

int cuLaunchKernel(
    void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
    unsigned shared, void* stream, void** parameters, void** extra) {
    const auto& asked = *static_cast<Function*>(function);
    std::printf("driver launch %s %u %u %u threads %u %u %u shared %u stream %p with", asked.name.c_str(), gx,
                gy, gz, bx, by, bz, shared, stream);
    for (const auto& [ordinal, bytes] : asked.parameters) {
        const char* value = static_cast<const char*>(parameters[ordinal]);
        if (bytes == 8)
            std::printf(" p%llx", static_cast<unsigned long long>(cubin::at<uint64_t>(value)));
        else
            std::printf(" w%x", cubin::at<uint32_t>(value));
    }
    std::printf("\n");
    const bool too_much = std::max(gy, gz) > 65535 || static_cast<int>(shared) > asked.most_shared;
    return extra || too_much ? kInvalidValue : 0;
}

int cuGetErrorName(int error, const char** name) {
    *name = error == kInvalidContext ? "CUDA_ERROR_INVALID_CONTEXT" : "CUDA_ERROR_OTHER";
    return 0;
}
}
