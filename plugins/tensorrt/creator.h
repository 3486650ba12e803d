// One creator for each operator: attributes of a node, or fields of an engine, to a plugin.
#pragma once

#include <NvInferRuntime.h>

#include "operators.h"

namespace tosa {

class Creator final : public nvinfer1::IPluginCreatorV3One {
public:
    explicit Creator(const Operator& op);

    nvinfer1::IPluginV3* createPlugin(
        const char* name, const nvinfer1::PluginFieldCollection* fields,
        nvinfer1::TensorRTPhase phase) noexcept override;

    const nvinfer1::PluginFieldCollection* getFieldNames() noexcept override { return &collection_; }
    const char* getPluginName() const noexcept override { return op_.name; }
    const char* getPluginVersion() const noexcept override { return kPluginVersion; }
    const char* getPluginNamespace() const noexcept override { return kPluginNamespace; }

private:
    const Operator& op_;
    nvinfer1::PluginField fields_[4];
    nvinfer1::PluginFieldCollection collection_{};
};

}  // namespace tosa
