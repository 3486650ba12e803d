// A libnvinfer with nothing but a plugin registry, which says what is registered with it.
#include <NvInferRuntime.h>

#include <cstdio>
#include <map>
#include <string>

namespace {

using namespace nvinfer1;

struct Registry final : IPluginRegistry {
    std::map<std::string, IPluginCreatorInterface*> creators;

    bool registerCreator(IPluginCreatorInterface& creator, const char* space) noexcept override {
        const char* name = static_cast<IPluginCreatorV3One&>(creator).getPluginName();
        std::printf("registered %s::%s\n", space, name);
        std::fflush(stdout);
        return creators.emplace(name, &creator).second;
    }
    IPluginCreatorInterface* getCreator(const char* name, const char*, const char*) noexcept override {
        const auto found = creators.find(name);
        return found == creators.end() ? nullptr : found->second;
    }

    // What is not asked for here. `getAllCreatorsRecursive` came after 10.3, the plugins of V2 went with 11.
    void setErrorRecorder(IErrorRecorder*) noexcept override {}
    IErrorRecorder* getErrorRecorder() const noexcept override { return nullptr; }
    bool isParentSearchEnabled() const override { return false; }
    void setParentSearchEnabled(bool) override {}
    void* loadLibrary(const char*) noexcept override { return nullptr; }
    void deregisterLibrary(void*) noexcept override {}
    IPluginCreatorInterface* const* getAllCreators(int32_t*) const noexcept override { return nullptr; }
    IPluginCreatorInterface* const* getAllCreatorsRecursive(int32_t*) noexcept { return nullptr; }
    bool deregisterCreator(const IPluginCreatorInterface&) noexcept override { return false; }
    IPluginResource* acquirePluginResource(const char*, IPluginResource*) noexcept override { return {}; }
    int32_t releasePluginResource(const char*) noexcept override { return 0; }
#if NV_TENSORRT_MAJOR < 11
    bool registerCreator(IPluginCreator&, const char*) noexcept override { return false; }
    IPluginCreator* const* getPluginCreatorList(int32_t*) const noexcept override { return nullptr; }
    IPluginCreator* getPluginCreator(const char*, const char*, const char*) noexcept override { return {}; }
    bool deregisterCreator(const IPluginCreator&) noexcept override { return false; }
#endif
};

}  // namespace

extern "C" IPluginRegistry* getPluginRegistry() noexcept {
    static Registry registry;
    return &registry;
}
