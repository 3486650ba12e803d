// What is known of the operators and their kernels: tables, generated from the Python description by
// `python -m tosa_edge.plugins.embed`. Nothing in this folder knows an operator by its name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tosa {

template <typename T, int N>
struct List {
    int count;
    T items[N];

    const T* begin() const { return items; }
    const T* end() const { return items + count; }
    const T& operator[](int place) const { return items[place]; }
};

// What an operator counts (tokens, heads, ...), each at the place the tables give it; -1: not known.
constexpr int kSizes = 16;
constexpr int64_t kUnknown = -1;
using Sizes = std::array<int64_t, kSizes>;

enum class Type { half, single, int32, model };  // model: half or single, whichever the first input is

struct Product {  // the length of an axis
    int64_t factor;
    List<int, 2> sizes;
};

struct Input {
    const char* name;
    Type type;
    List<Product, 4> axes;
};

struct Part {  // an axis of an output: this part of an axis of an input
    int input, axis;
    int64_t divisor;
};

struct Output {
    const char* name;
    Type type;
    List<Part, 4> axes;
};

struct Attribute {
    const char* name;
    int size;  // where among the sizes it goes; -1: it is a real number
};

struct Operator {
    const char* name;
    List<Attribute, 4> attributes;
    List<Input, 8> inputs;
    int fewest;  // inputs in its shortest form
    List<Output, 4> outputs;
    void (*derive)(Sizes&);  // the sizes that follow from others, as far as these are known
    int64_t (*scratch)(const Sizes&);  // bytes of memory that its launches share
};

struct Given {  // the attributes of one node
    Sizes sizes;
    std::array<float, 4> reals;  // as the operator's attributes are numbered
};

enum class Source { input, output, scratch, size, real, nothing };

struct Parameter {
    Source source;
    int place;
};

struct Key {  // a kernel serves one value of this size
    int size;
    int64_t value;
};

struct Programs {  // along an axis of the grid: one for so many
    int size;
    int64_t block;
};

struct Kernel {
    int op;  // its operator's place in the table
    int sm;
    Type type;
    int step;  // which of the operator's launches
    const char* function;
    unsigned threads, shared;
    size_t offset;  // among the cubins
    List<Key, 4> shape;
    List<Programs, 3> grid;
    List<Parameter, 16> parameters;
};

extern const char kPluginVersion[];
extern const char kPluginNamespace[];
extern const List<const char*, kSizes> kSizeNames;
extern const List<Operator, 8> kOperators;
extern const Kernel kKernels[];
extern const int kKernelCount;

const void* cubin(const Kernel& kernel);

}  // namespace tosa
