#include "fit.h"

#include <algorithm>
#include <limits>

namespace tosa {

namespace {

std::string axis_is(const Operator& op, int input, int axis, int64_t length) {
    return std::string(op.name) + ": axis " + std::to_string(axis) + " of " + op.inputs[input].name + " is "
        + std::to_string(length);
}

// One axis, `factor * sizes`, all known but perhaps one: that one follows.
std::string solve(const Operator& op, int input, int axis, int64_t length, Sizes& sizes) {
    const Product& product = op.inputs[input].axes[axis];
    int64_t known = product.factor;
    int unknown = -1;
    for (int size : product.sizes) {
        if (sizes[size] == kUnknown)
            unknown = size;
        else
            known *= sizes[size];
    }
    if (length < 1 || length > std::numeric_limits<int32_t>::max())
        return axis_is(op, input, axis, length) + ", out of range";
    if (unknown < 0)
        return length == known ? "" : axis_is(op, input, axis, length) + ", not " + std::to_string(known);
    if (length % known)
        return axis_is(op, input, axis, length) + ", not a multiple of " + std::to_string(known);
    sizes[unknown] = length / known;
    return "";
}

}  // namespace

std::string measure(
    const Operator& op, const Given& given, const Shape* shapes, int seen, int total, Sizes& sizes) {
    if (total != op.fewest && total != op.inputs.count)
        return std::string(op.name) + " takes " + std::to_string(op.inputs.count) + " inputs"
            + (op.fewest < op.inputs.count ? " or " + std::to_string(op.fewest) : "") + ", not "
            + std::to_string(total);
    sizes = given.sizes;
    for (int i = 0; i < seen; ++i) {
        if (shapes[i].rank != op.inputs[i].axes.count)
            return std::string(op.name) + ": " + op.inputs[i].name + " has " + std::to_string(shapes[i].rank)
                + " axes, not " + std::to_string(op.inputs[i].axes.count);
        for (int axis = 0; axis < shapes[i].rank; ++axis) {
            if (shapes[i].d[axis] == kUnknown) continue;
            std::string why = solve(op, i, axis, shapes[i].d[axis], sizes);
            if (!why.empty()) return why;
        }
    }
    // What only an absent input has, there are none of.
    for (int i = total; i < op.inputs.count; ++i)
        for (const Product& axis : op.inputs[i].axes)
            for (int size : axis.sizes)
                if (sizes[size] == kUnknown) sizes[size] = 0;
    op.derive(sizes);
    return "";
}

bool runs(int sm, int gpu) {
    // Upwards within a family only on desktops and servers: a Jetson takes its own cubins, and from 9.0 on
    // ours are for one architecture each (sm_90a).
    constexpr int family[] = {80, 86, 89};
    const auto in_family = [&](int one) { return std::count(std::begin(family), std::end(family), one) > 0; };
    return sm == gpu || (sm < gpu && in_family(sm) && in_family(gpu));
}

bool serves(const Kernel& kernel, const Operator& op, Type type, const Sizes& sizes) {
    return &kOperators[kernel.op] == &op && kernel.type == type
        && std::all_of(kernel.shape.begin(), kernel.shape.end(), [&](const Key& key) {
               return sizes[key.size] == kUnknown || sizes[key.size] == key.value;
           });
}

std::string missing(const Operator& op, Type type, const Sizes& sizes) {
    const bool found = std::any_of(kKernels, kKernels + kKernelCount, [&](const Kernel& kernel) {
        return serves(kernel, op, type, sizes);
    });
    return found ? "" : std::string(op.name) + ": no kernel was compiled for " + wanted(op, type, sizes);
}

std::string wanted(const Operator& op, Type type, const Sizes& sizes) {
    std::string text = type == Type::half ? "float16" : "float32";
    const Kernel* end = kKernels + kKernelCount;
    const auto ours = [&](const Kernel& kernel) { return &kOperators[kernel.op] == &op; };
    const Kernel* any = std::find_if(kKernels, end, ours);
    if (any == end) return text;
    for (const Key& key : any->shape)
        if (sizes[key.size] != kUnknown)
            text += std::string(", ") + kSizeNames[key.size] + " " + std::to_string(sizes[key.size]);
    return text;
}

}  // namespace tosa
