// One plugin class for all operators: what it does, their tables say.
#pragma once

#include <NvInferRuntime.h>

#include <memory>

#include "kernels.h"

namespace tosa {

class Plugin final : public nvinfer1::IPluginV3,
                     public nvinfer1::IPluginV3OneCore,
                     public nvinfer1::IPluginV3OneBuild,
                     public nvinfer1::IPluginV3OneRuntime {
public:
    Plugin(const Operator& op, const Given& given);

    nvinfer1::IPluginCapability* getCapabilityInterface(
        nvinfer1::PluginCapabilityType type) noexcept override;
    nvinfer1::IPluginV3* clone() noexcept override;

    const char* getPluginName() const noexcept override { return op_.name; }
    const char* getPluginVersion() const noexcept override { return kPluginVersion; }
    const char* getPluginNamespace() const noexcept override { return kPluginNamespace; }

    int32_t getNbOutputs() const noexcept override { return op_.outputs.count; }
    int32_t getOutputDataTypes(
        nvinfer1::DataType* outputs, int32_t output_count, const nvinfer1::DataType* inputs,
        int32_t input_count) const noexcept override;
    int32_t getOutputShapes(
        const nvinfer1::DimsExprs* inputs, int32_t input_count, const nvinfer1::DimsExprs* shape_inputs,
        int32_t shape_input_count, nvinfer1::DimsExprs* outputs, int32_t output_count,
        nvinfer1::IExprBuilder& builder) noexcept override;
    bool supportsFormatCombination(
        int32_t place, const nvinfer1::DynamicPluginTensorDesc* all, int32_t input_count,
        int32_t output_count) noexcept override;
    int32_t configurePlugin(
        const nvinfer1::DynamicPluginTensorDesc* inputs, int32_t input_count,
        const nvinfer1::DynamicPluginTensorDesc* outputs, int32_t output_count) noexcept override;
    size_t getWorkspaceSize(
        const nvinfer1::DynamicPluginTensorDesc* inputs, int32_t input_count,
        const nvinfer1::DynamicPluginTensorDesc* outputs, int32_t output_count) const noexcept override;

    nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept override;
    int32_t onShapeChange(
        const nvinfer1::PluginTensorDesc* inputs, int32_t input_count,
        const nvinfer1::PluginTensorDesc* outputs, int32_t output_count) noexcept override;
    int32_t enqueue(
        const nvinfer1::PluginTensorDesc* input_descs, const nvinfer1::PluginTensorDesc* output_descs,
        const void* const* inputs, void* const* outputs, void* workspace,
        cudaStream_t stream) noexcept override;
    const nvinfer1::PluginFieldCollection* getFieldsToSerialize() noexcept override;

private:
    std::string sizes_of(const nvinfer1::PluginTensorDesc* inputs, int32_t count, Sizes& sizes) const;

    const Operator& op_;
    const Given given_;
    int32_t input_count_ = 0;  // as the last shapes had it: enqueue is not told
    std::string refused_;  // why a shape was, last: TensorRT asks many times
    std::unique_ptr<Kernels> kernels_;  // of the context that this clone is attached to

    int32_t wholes_[4] = {};
    nvinfer1::PluginField fields_[4];
    nvinfer1::PluginFieldCollection collection_{};
};

}  // namespace tosa
