#include "plugin.h"

#include <algorithm>

#include "log.h"

namespace tosa {

using namespace nvinfer1;

namespace {

int32_t said(const std::string& why) {
    if (!why.empty()) log(Severity::kERROR, why);
    return why.empty() ? 0 : -1;
}

DataType data_type(Type type, DataType model) {
    return type == Type::model ? model : type == Type::int32 ? DataType::kINT32 : DataType::kFLOAT;
}

Type precision(const PluginTensorDesc& first) {
    return first.type == DataType::kHALF ? Type::half : Type::single;
}

Shape shape_of(const Dims& dims) {
    Shape shape{dims.nbDims, {}};
    std::copy_n(dims.d, std::clamp(dims.nbDims, 0, 8), shape.d);
    return shape;
}

}  // namespace

Plugin::Plugin(const Operator& op, const Given& given) : op_(op), given_(given) {
    for (int i = 0; i < op.attributes.count; ++i) {
        const Attribute& attribute = op.attributes[i];
        const bool whole = attribute.size >= 0;
        if (whole) wholes_[i] = static_cast<int32_t>(given.sizes[attribute.size]);
        const void* data = whole ? static_cast<const void*>(&wholes_[i]) : &given_.reals[i];
        fields_[i] = {attribute.name, data, whole ? PluginFieldType::kINT32 : PluginFieldType::kFLOAT32, 1};
    }
    collection_ = {op.attributes.count, fields_};
}

IPluginCapability* Plugin::getCapabilityInterface(PluginCapabilityType type) noexcept {
    switch (type) {
    case PluginCapabilityType::kCORE: return static_cast<IPluginV3OneCore*>(this);
    case PluginCapabilityType::kBUILD: return static_cast<IPluginV3OneBuild*>(this);
    case PluginCapabilityType::kRUNTIME: return static_cast<IPluginV3OneRuntime*>(this);
    }
    return nullptr;
}

IPluginV3* Plugin::clone() noexcept {
    auto* copy = new Plugin(op_, given_);
    copy->input_count_ = input_count_;
    return copy;
}

int32_t Plugin::getOutputDataTypes(
    DataType* outputs, int32_t output_count, const DataType* inputs, int32_t input_count) const noexcept {
    if (output_count != op_.outputs.count || input_count < 1)
        return said(std::string(op_.name) + ": asked for other outputs than it has");
    for (int i = 0; i < output_count; ++i) outputs[i] = data_type(op_.outputs[i].type, inputs[0]);
    return 0;
}

int32_t Plugin::getOutputShapes(
    const DimsExprs* inputs, int32_t input_count, const DimsExprs*, int32_t, DimsExprs* outputs,
    int32_t output_count, IExprBuilder& builder) noexcept {
    Shape shapes[8];
    for (int i = 0; i < std::min(input_count, op_.inputs.count); ++i) {
        shapes[i].rank = inputs[i].nbDims;
        for (int axis = 0; axis < std::clamp(inputs[i].nbDims, 0, 8); ++axis) {
            const IDimensionExpr& length = *inputs[i].d[axis];
            shapes[i].d[axis] = length.isConstant() ? length.getConstantValue() : kUnknown;
        }
    }
    Sizes sizes;
    const std::string why = measure(op_, given_, shapes, input_count, input_count, sizes);
    if (!why.empty() || output_count != op_.outputs.count)
        return said(why.empty() ? std::string(op_.name) + ": asked for other outputs than it has" : why);
    for (int i = 0; i < output_count; ++i) {
        const Output& output = op_.outputs[i];
        outputs[i].nbDims = output.axes.count;
        for (int axis = 0; axis < output.axes.count; ++axis) {
            const Part& part = output.axes[axis];
            const IDimensionExpr* whole = inputs[part.input].d[part.axis];
            outputs[i].d[axis] = part.divisor == 1
                ? whole
                : builder.operation(DimensionOperation::kFLOOR_DIV, *whole, *builder.constant(part.divisor));
        }
    }
    return 0;
}

bool Plugin::supportsFormatCombination(
    int32_t place, const DynamicPluginTensorDesc* all, int32_t input_count, int32_t output_count) noexcept {
    if (place < 0 || place >= input_count + output_count || input_count > op_.inputs.count
        || output_count != op_.outputs.count)
        return false;
    const DataType model = all[0].desc.type;
    const bool is_input = place < input_count;
    const Type type = is_input ? op_.inputs[place].type : op_.outputs[place - input_count].type;
    if (all[place].desc.format != TensorFormat::kLINEAR || all[place].desc.type != data_type(type, model)
        || (model != DataType::kHALF && model != DataType::kFLOAT))
        return false;
    if (!is_input) return true;
    Shape shapes[8];
    for (int i = 0; i <= place; ++i) shapes[i] = shape_of(all[i].desc.dims);
    Sizes sizes;
    std::string why = measure(op_, given_, shapes, place + 1, input_count, sizes);
    if (why.empty()) why = missing(op_, precision(all[0].desc), sizes);
    if (!why.empty() && why != refused_) log(Severity::kWARNING, refused_ = why);
    return why.empty();
}

std::string Plugin::sizes_of(const PluginTensorDesc* inputs, int32_t count, Sizes& sizes) const {
    Shape shapes[8];
    for (int i = 0; i < std::min(count, op_.inputs.count); ++i) shapes[i] = shape_of(inputs[i].dims);
    return measure(op_, given_, shapes, count, count, sizes);
}

int32_t Plugin::configurePlugin(
    const DynamicPluginTensorDesc* inputs, int32_t input_count, const DynamicPluginTensorDesc*,
    int32_t) noexcept {
    PluginTensorDesc descs[8];
    for (int i = 0; i < std::min(input_count, op_.inputs.count); ++i) descs[i] = inputs[i].desc;
    input_count_ = input_count;
    Sizes sizes;
    return said(sizes_of(descs, input_count, sizes));
}

size_t Plugin::getWorkspaceSize(
    const DynamicPluginTensorDesc* inputs, int32_t input_count, const DynamicPluginTensorDesc*,
    int32_t) const noexcept {
    Shape largest[8];
    for (int i = 0; i < std::min(input_count, op_.inputs.count); ++i) {
        largest[i] = shape_of(inputs[i].desc.dims);
        for (int axis = 0; axis < std::clamp(largest[i].rank, 0, 8); ++axis)
            if (largest[i].d[axis] == kUnknown) largest[i].d[axis] = inputs[i].max.d[axis];
    }
    Sizes sizes;
    const std::string why = measure(op_, given_, largest, input_count, input_count, sizes);
    return said(why) ? 0 : static_cast<size_t>(op_.scratch(sizes));
}

IPluginV3* Plugin::attachToContext(IPluginResourceContext*) noexcept {
    std::unique_ptr<Plugin> copy(static_cast<Plugin*>(clone()));
    std::string why;
    copy->kernels_ = Kernels::load(op_, given_, why);
    return said(why) ? nullptr : copy.release();
}

int32_t Plugin::onShapeChange(
    const PluginTensorDesc* inputs, int32_t input_count, const PluginTensorDesc*, int32_t) noexcept {
    input_count_ = input_count;
    Sizes sizes;
    std::string why = sizes_of(inputs, input_count, sizes);
    if (why.empty()) why = missing(op_, precision(inputs[0]), sizes);
    return said(why);
}

int32_t Plugin::enqueue(
    const PluginTensorDesc* input_descs, const PluginTensorDesc*, const void* const* inputs,
    void* const* outputs, void* workspace, cudaStream_t stream) noexcept {
    if (!kernels_ || !input_count_)
        return said(std::string(op_.name) + ": enqueued before it had a context and shapes");
    Sizes sizes;
    std::string why = sizes_of(input_descs, input_count_, sizes);
    if (why.empty())
        why = kernels_->launch(
            precision(input_descs[0]), sizes, given_, {inputs, input_count_, outputs, workspace}, stream);
    return said(why);
}

const PluginFieldCollection* Plugin::getFieldsToSerialize() noexcept {
    return &collection_;
}

}  // namespace tosa
