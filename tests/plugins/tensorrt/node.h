// The nodes that are walked: attributes, shapes, and what a plugin must answer.
#pragma once

#include <NvInferRuntime.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace host {

using namespace nvinfer1;

using Shape = std::vector<int64_t>;

inline Dims dims_of(const Shape& shape) {
    Dims dims{static_cast<int32_t>(shape.size()), {}};
    for (size_t i = 0; i < shape.size(); ++i) dims.d[i] = shape[i];
    return dims;
}

inline const Shape kIndex{2, 19};

struct Node {  // a node of a graph, and what its plugin must say of it
    const char* name;
    std::vector<std::pair<const char*, int32_t>> wholes;
    std::vector<std::pair<const char*, float>> reals;
    std::vector<Shape> inputs, outputs;  // the batch is 2 in all
    size_t scratch = 0;

    int32_t count() const { return static_cast<int32_t>(inputs.size()); }
    int32_t made() const { return static_cast<int32_t>(outputs.size()); }

    std::vector<PluginField> fields() const {
        std::vector<PluginField> all;
        for (const auto& [key, value] : wholes) all.emplace_back(key, &value, PluginFieldType::kINT32, 1);
        for (const auto& [key, value] : reals) all.emplace_back(key, &value, PluginFieldType::kFLOAT32, 1);
        return all;
    }

    // Of an input or output, in the order of the plugin's positions.
    DataType type(size_t place, DataType model) const {
        if (place == 1 && inputs.size() > 1 && inputs[1] == kIndex) return DataType::kINT32;
        return place >= inputs.size() && outputs[0].size() == 2 ? DataType::kFLOAT : model;
    }

    // Inputs, then outputs, at most 2 pictures at a time.
    std::vector<DynamicPluginTensorDesc> dynamic(DataType model) const {
        std::vector<DynamicPluginTensorDesc> all;
        for (size_t i = 0; i < inputs.size() + outputs.size(); ++i) {
            Shape shape = i < inputs.size() ? inputs[i] : outputs[i - inputs.size()];
            const Dims most = dims_of(shape);
            if (shape[0] == 2) shape[0] = -1;
            const Dims open = dims_of(shape);
            if (shape[0] == -1) shape[0] = 1;
            const Dims least = dims_of(shape);
            all.push_back({{open, type(i, model), TensorFormat::kLINEAR, -1.0F}, least, most, most});
        }
        return all;
    }

    std::vector<PluginTensorDesc> exact(DataType model) const {
        std::vector<PluginTensorDesc> all;
        for (const auto& [desc, min, max, opt] : dynamic(model))
            all.push_back({max, desc.type, desc.format, -1.0F});
        return all;
    }
};

// Fields of the node that no plugin may be made of, and what is wrong with them.
inline std::vector<std::pair<std::string, std::vector<PluginField>>> bad_fields(const Node& node) {
    static const int32_t zero = 0, two[2] = {1, 1};
    static const float half = 0.5F, infinite = std::numeric_limits<float>::infinity();
    std::vector<std::pair<std::string, std::vector<PluginField>>> all;
    for (size_t i = 0; i < node.fields().size(); ++i) {
        auto fields = node.fields();
        const char* name = fields[i].name;
        const bool whole = i < node.wholes.size();
        const auto add = [&](const char* what, const void* data, PluginFieldType type, int32_t length) {
            fields[i] = {name, data, type, length};
            all.emplace_back(std::string(name) + what, fields);
        };
        add(" twice", two, PluginFieldType::kINT32, 2);
        add(" without a value", nullptr, PluginFieldType::kINT32, 1);
        add(" as text", "6", PluginFieldType::kCHAR, 1);
        if (whole) {
            add(" of 0", &zero, PluginFieldType::kINT32, 1);
            add(" as a real number", &half, PluginFieldType::kFLOAT32, 1);
        } else {
            add(" of infinity", &infinite, PluginFieldType::kFLOAT32, 1);
            add(" as a whole number", two, PluginFieldType::kINT32, 1);
        }
        fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(i));
        all.emplace_back(std::string("no ") + name, fields);
    }
    return all;
}

// A model of so many heads; TokenImportance for each number of hidden channels, 0: without weights.
inline std::vector<Node> nodes(int heads, int dim, const std::vector<int>& hiddens) {
    const int64_t width = heads * dim, tokens = 37, batch = kIndex[0], kept = kIndex[1];
    const Shape all{batch, tokens, width}, few{batch, kept, width}, row{width};
    std::vector<Node> made{
        {"TokenGather", {}, {{"epsilon", 1e-6F}}, {all, kIndex, row, row}, {few, few}},
        {"SelectiveAttention", {{"num_heads", heads}}, {{"scale", 0.25F}}, {{batch, kept, 3 * width}}, {few}},
        {"TokenScatter", {}, {}, {all, kIndex, few, few, row}, {all}},
    };
    for (int hidden : hiddens) {
        const size_t queries = (tokens + 4) / 5, parts = 8;
        Node node{"TokenImportance", {{"num_heads", heads}, {"query_stride", 5}}, {{"scale", 0.25F}},
                  {{batch, tokens, 3 * width}}, {{batch, tokens}}};
        node.scratch = sizeof(float) * batch * static_cast<size_t>(heads) * 2 * parts * queries;
        if (hidden) node.inputs.insert(node.inputs.end(), {{hidden, heads}, {hidden}, {heads, hidden}});
        made.push_back(node);
    }
    return made;
}

}  // namespace host
