// What TensorRT looks for in a plugin library: `loadLibrary`, `trtexec --dynamicPlugins`, and an engine that
// carries the library inside. For hosts that only dlopen, see register.cpp.
#include <NvInferRuntime.h>

#include <memory>
#include <vector>

#include "creator.h"
#include "log.h"

#define TOSA_EXPORT extern "C" __attribute__((visibility("default")))

// Between major versions of TensorRT a library does not fit.
TOSA_EXPORT const int32_t tosa_edge_tensorrt_major;
const int32_t tosa_edge_tensorrt_major = NV_TENSORRT_MAJOR;

// Not `getPluginCreators`: a loader that finds that takes what it lists for plugins of version 2.
TOSA_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
    static const std::vector<std::unique_ptr<tosa::Creator>> ours = [] {
        std::vector<std::unique_ptr<tosa::Creator>> made;
        for (const tosa::Operator& op : tosa::kOperators) made.push_back(std::make_unique<tosa::Creator>(op));
        return made;
    }();
    static const std::vector<nvinfer1::IPluginCreatorInterface*> creators = [] {
        std::vector<nvinfer1::IPluginCreatorInterface*> listed;
        for (const auto& creator : ours) listed.push_back(creator.get());
        return listed;
    }();
    count = static_cast<int32_t>(creators.size());
    return creators.data();
}

TOSA_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder) {
    tosa::set_logger_finder(finder);
}
