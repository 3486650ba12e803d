#include "driver.h"

#include <dlfcn.h>

namespace tosa {

namespace {

constexpr int kComputeCapabilityMajor = 75, kComputeCapabilityMinor = 76;  // CUdevice_attribute

struct Loaded {
    Driver driver{};
    std::string why;

    Loaded() {
        void* library = dlopen("libcuda.so.1", RTLD_NOW);  // never closed: its functions stay in use
        if (!library) {
            why = std::string("there is no CUDA driver: ") + dlerror();
            return;
        }
        find(library, "cuCtxGetDevice", driver.get_device);
        find(library, "cuDeviceGetAttribute", driver.get_attribute);
        find(library, "cuModuleLoadData", driver.load_module);
        find(library, "cuModuleUnload", driver.unload_module);
        find(library, "cuModuleGetFunction", driver.get_function);
        find(library, "cuFuncSetAttribute", driver.set_attribute);
        find(library, "cuLaunchKernel", driver.launch);
        find(library, "cuGetErrorName", driver.get_error_name);
    }

    template <typename Function>
    void find(void* library, const char* name, Function& function) {
        function = reinterpret_cast<Function>(dlsym(library, name));
        if (!function) why = std::string("the CUDA driver has no ") + name;
    }
};

}  // namespace

const Driver* Driver::get(std::string& why) {
    static const Loaded loaded;
    why = loaded.why;
    return why.empty() ? &loaded.driver : nullptr;
}

int Driver::current_sm(std::string& why) const {
    int device = 0, major = 0, minor = 0;
    Result error = get_device(&device);
    if (!error) error = get_attribute(&major, kComputeCapabilityMajor, device);
    if (!error) error = get_attribute(&minor, kComputeCapabilityMinor, device);
    if (error) why = "no GPU is current in this thread: " + name(error);
    return error ? 0 : 10 * major + minor;
}

std::string Driver::name(Result error) const {
    const char* text = nullptr;
    return get_error_name(error, &text) || !text ? "CUDA error " + std::to_string(error) : text;
}

}  // namespace tosa
