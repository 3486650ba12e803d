#include "creator.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "log.h"
#include "plugin.h"

namespace tosa {

using namespace nvinfer1;

namespace {

template <typename T>
T value_of(const PluginField& field) {
    T value;
    std::memcpy(&value, field.data, sizeof value);
    return value;
}

// A number of any type that parsers and serialised engines use for it; not a number: none of them.
double number(const PluginField& field) {
    if (field.data && field.length == 1) {
        switch (field.type) {
        case PluginFieldType::kINT32: return value_of<int32_t>(field);
        case PluginFieldType::kINT64: return static_cast<double>(value_of<int64_t>(field));
        case PluginFieldType::kFLOAT32: return static_cast<double>(value_of<float>(field));
        case PluginFieldType::kFLOAT64: return value_of<double>(field);
        default: break;
        }
    }
    return std::numeric_limits<double>::quiet_NaN();
}

bool is_whole(PluginFieldType type) {
    return type == PluginFieldType::kINT32 || type == PluginFieldType::kINT64;
}

const PluginField* find(const PluginFieldCollection* fields, const char* name) {
    for (int i = 0; fields && i < fields->nbFields; ++i)
        if (fields->fields[i].name && !std::strcmp(fields->fields[i].name, name)) return &fields->fields[i];
    return nullptr;
}

// Reads one attribute; why it cannot be, or "".
std::string read(const PluginFieldCollection* fields, const Attribute& attribute, int place, Given& given) {
    const PluginField* field = find(fields, attribute.name);
    if (!field) return std::string("the attribute ") + attribute.name + " is missing";
    const double value = number(*field);
    const bool whole = attribute.size >= 0;
    if (std::isnan(value) || is_whole(field->type) != whole)
        return std::string(attribute.name) + " is not " + (whole ? "one whole number" : "one real number");
    // Whole numbers here count something.
    const double lowest = whole ? 1 : -std::numeric_limits<float>::max();
    const double highest = whole ? std::numeric_limits<int32_t>::max() : std::numeric_limits<float>::max();
    if (value < lowest || value > highest)
        return std::string(attribute.name) + " is out of range: "
            + (whole ? std::to_string(static_cast<int64_t>(value)) : std::to_string(value));
    if (whole)
        given.sizes[attribute.size] = static_cast<int64_t>(value);
    else
        given.reals[place] = static_cast<float>(value);
    return "";
}

}  // namespace

Creator::Creator(const Operator& op) : op_(op) {
    for (int i = 0; i < op.attributes.count; ++i) {
        const bool whole = op.attributes[i].size >= 0;
        fields_[i] = {
            op.attributes[i].name, nullptr, whole ? PluginFieldType::kINT32 : PluginFieldType::kFLOAT32, 1};
    }
    collection_ = {op.attributes.count, fields_};
}

// The same fields in both phases: an engine keeps the attributes.
IPluginV3* Creator::createPlugin(
    const char* name, const PluginFieldCollection* fields, TensorRTPhase) noexcept {
    Given given{};
    given.sizes.fill(kUnknown);
    for (int i = 0; i < op_.attributes.count; ++i) {
        const std::string why = read(fields, op_.attributes[i], i, given);
        if (why.empty()) continue;
        log(Severity::kERROR, std::string(op_.name) + " " + (name ? name : "") + ": " + why);
        return nullptr;
    }
    return new Plugin(op_, given);
}

}  // namespace tosa
