// A library of its own, for hosts that only dlopen or preload what they are given: it registers the plugins
// of libtosa_edge_plugins.so, which lies beside it, as it is loaded. Not for TensorRT's own `loadLibrary`,
// which registers them itself and refuses what is there already.
#include <NvInferRuntime.h>
#include <dlfcn.h>

#include <iostream>
#include <string>

extern "C" nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count);

namespace {

// Found by name, not linked: a preloaded library comes before TensorRT, and Python keeps TensorRT's symbols
// to itself. If it is loaded already, dlopen gives that one.
nvinfer1::IPluginRegistry* find_registry() {
    const std::string name = "libnvinfer.so." + std::to_string(NV_TENSORRT_MAJOR);
    void* tensorrt = dlopen(name.c_str(), RTLD_NOW);
    void* function = tensorrt ? dlsym(tensorrt, "getPluginRegistry") : nullptr;
    if (function) return reinterpret_cast<nvinfer1::IPluginRegistry* (*)() noexcept>(function)();
    std::cerr << "tosa-edge: no plugin is registered: " << dlerror() << '\n';
    return nullptr;
}

__attribute__((constructor)) void register_all() {
    nvinfer1::IPluginRegistry* registry = find_registry();
    int32_t count = 0;
    nvinfer1::IPluginCreatorInterface* const* creators = getCreators(count);
    for (int32_t i = 0; registry && i < count; ++i) {
        auto& creator = *static_cast<nvinfer1::IPluginCreatorV3One*>(creators[i]);
        const char *name = creator.getPluginName(), *space = creator.getPluginNamespace();
        if (!registry->getCreator(name, creator.getPluginVersion(), space))
            registry->registerCreator(creator, space);
    }
}

}  // namespace
