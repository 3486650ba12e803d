// Which kernel fits: shapes to sizes, and sizes to rows of the kernel table.
#pragma once

#include <string>

#include "operators.h"

namespace tosa {

struct Shape {
    int rank;
    int64_t d[8];  // kUnknown: dynamic
};

// The sizes that the first `seen` of `total` inputs tell. Returns why they do not fit the operator, or "".
// Allocates nothing where they do.
std::string measure(
    const Operator& op, const Given& given, const Shape* shapes, int seen, int total, Sizes& sizes);

// May a cubin for this architecture run on that GPU?
bool runs(int sm, int gpu);

// Does this kernel serve these sizes? The unknown ones may still turn out well.
bool serves(const Kernel& kernel, const Operator& op, Type type, const Sizes& sizes);

// Is there one for any architecture? Returns what is missing, or "".
std::string missing(const Operator& op, Type type, const Sizes& sizes);

// "float16, heads 6, head_dim 48": what a kernel would have to be for.
std::string wanted(const Operator& op, Type type, const Sizes& sizes);

}  // namespace tosa
