// As much of a TensorRT host as the plugins see: expressions of dimensions, a log, and what it asks them.
#pragma once

#include <NvInferRuntime.h>

#include <cstdio>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace host {

using namespace nvinfer1;

inline int failures = 0;

inline bool check(bool good, const std::string& what) {
    std::printf("%s %s\n", good ? "ok" : "FAILED", what.c_str());
    failures += !good;
    return good;
}

// A length: a number, or the text of something only known when the engine runs.
struct Length final : IDimensionExpr, apiv::VDimensionExpr {
    std::string text;
    bool known;

    Length(std::string text_, bool known_) : text(std::move(text_)), known(known_) { mImpl = this; }
    bool isConstant() const noexcept override { return known; }
    int64_t getConstantValue() const noexcept override { return known ? std::stoll(text) : INT64_MIN; }
    bool isSizeTensor() const noexcept override { return false; }
};

struct Lengths final : IExprBuilder, apiv::VExprBuilder {
    std::list<Length> made;

    Lengths() { mImpl = this; }
    const IDimensionExpr* unknown(const std::string& text) { return &made.emplace_back(text, false); }
    const IDimensionExpr* constant(int64_t value) noexcept override {
        return &made.emplace_back(std::to_string(value), true);
    }
    const IDimensionExpr* operation(
        DimensionOperation what, const IDimensionExpr& a, const IDimensionExpr& b) noexcept override {
        const auto &x = static_cast<const Length&>(a), &y = static_cast<const Length&>(b);
        if (what != DimensionOperation::kFLOOR_DIV) return nullptr;  // all that is asked for
        if (x.known && y.known) return constant(x.getConstantValue() / y.getConstantValue());
        return unknown(x.text + "/" + y.text);
    }
    const IDimensionExpr* declareSizeTensor(
        int32_t, const IDimensionExpr&, const IDimensionExpr&) noexcept override {
        return nullptr;
    }
};

struct Log final : ILogger {
    std::vector<std::string> lines;

    void log(Severity, const char* text) noexcept override { lines.emplace_back(text); }

    // The last reason since one was asked for; "" if there was none.
    std::string taken() {
        std::string last = lines.empty() ? "" : lines.back();
        lines.clear();
        return last;
    }
};

inline Log reasons;

struct Finder final : ILoggerFinder {
    ILogger* findLogger() override { return &reasons; }
};

// A no, with its reason in the log.
inline void refused(bool no, const std::string& what) {
    const std::string why = reasons.taken();
    check(no && !why.empty(), what + ": " + why);
}

using Plugin = std::unique_ptr<IPluginV3>;
using Phase = TensorRTPhase;

inline Plugin create(IPluginCreatorV3One& creator, const std::vector<PluginField>& fields, Phase phase) {
    const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
    return Plugin(creator.createPlugin("walked", &collection, phase));
}

inline IPluginV3OneCore& core(const Plugin& plugin) {
    return *static_cast<IPluginV3OneCore*>(plugin->getCapabilityInterface(PluginCapabilityType::kCORE));
}
inline IPluginV3OneBuild& build(const Plugin& plugin) {
    return *static_cast<IPluginV3OneBuild*>(plugin->getCapabilityInterface(PluginCapabilityType::kBUILD));
}
inline IPluginV3OneRuntime& runtime(const Plugin& plugin) {
    return *static_cast<IPluginV3OneRuntime*>(plugin->getCapabilityInterface(PluginCapabilityType::kRUNTIME));
}

}  // namespace host
