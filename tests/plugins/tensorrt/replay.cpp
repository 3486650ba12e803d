// Launches what it reads, a case a line, through the part of the plugins that knows no TensorRT, on whatever
// libcuda.so.1 is found. A case: operator, fp16 or fp32, attributes, a bar, the shapes of the inputs.
//     SelectiveAttention fp16 num_heads=6 scale=0.125 | 1x700x1152
// Says "refused" and why where no kernel serves. Addresses: inputs 0x1000, 0x2000, ...; outputs 0x10000, ...;
// scratch 0x100000; the stream is 0x5.
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "kernels.h"

namespace {

using namespace tosa;

Shape parse_shape(const std::string& text) {
    Shape shape{0, {}};
    std::stringstream parts(text);
    for (std::string part; std::getline(parts, part, 'x');) shape.d[shape.rank++] = std::stoll(part);
    return shape;
}

std::string run(const std::string& line) {
    std::stringstream words(line);
    std::string name, precision, word;
    words >> name >> precision;
    const Operator* op = nullptr;
    for (const Operator& one : kOperators)
        if (one.name == name) op = &one;
    if (!op) return "there is no operator " + name;
    Given given{};
    given.sizes.fill(kUnknown);
    while (words >> word && word != "|") {
        const std::string attribute = word.substr(0, word.find('=')), value = word.substr(word.find('=') + 1);
        for (int i = 0; i < op->attributes.count; ++i) {
            if (op->attributes[i].name != attribute) continue;
            if (op->attributes[i].size >= 0)
                given.sizes[op->attributes[i].size] = std::stoll(value);
            else
                given.reals[i] = std::stof(value);
        }
    }
    std::vector<Shape> shapes;
    while (words >> word) shapes.push_back(parse_shape(word));
    const int count = static_cast<int>(shapes.size());
    const Type type = precision == "fp16" ? Type::half : Type::single;
    Sizes sizes;
    std::string why = measure(*op, given, shapes.data(), count, count, sizes);
    if (why.empty()) why = missing(*op, type, sizes);
    if (!why.empty()) return why;
    std::printf("scratch %lld\n", static_cast<long long>(op->scratch(sizes)));
    const auto kernels = Kernels::load(*op, given, why);
    if (!kernels) return why;
    const void* inputs[8];
    void* outputs[4];
    for (uintptr_t i = 0; i < 8; ++i) inputs[i] = reinterpret_cast<void*>(0x1000 * (i + 1));
    for (uintptr_t i = 0; i < 4; ++i) outputs[i] = reinterpret_cast<void*>(0x10000 * (i + 1));
    const Memory memory{inputs, count, outputs, reinterpret_cast<void*>(0x100000)};
    return kernels->launch(type, sizes, given, memory, reinterpret_cast<void*>(0x5));
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        std::printf("case %s\n", line.c_str());
        const std::string why = run(line);
        if (!why.empty()) std::printf("refused %s\n", why.c_str());
    }
}
