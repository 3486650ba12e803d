// The kernels of one operator in one CUDA context: loaded once, launched without an allocation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "driver.h"
#include "fit.h"

namespace tosa {

struct Memory {  // device addresses
    const void* const* inputs;
    int count;  // of the inputs that are there
    void* const* outputs;
    void* scratch;
};

class Kernels {
public:
    // All that these attributes could need on the GPU of the current context; null, and why.
    static std::unique_ptr<Kernels> load(const Operator& op, const Given& given, std::string& why);

    ~Kernels();
    Kernels(const Kernels&) = delete;
    Kernels& operator=(const Kernels&) = delete;

    // Launches the operator for these sizes on the stream; why not, or "".
    std::string launch(
        Type type, const Sizes& sizes, const Given& given, const Memory& memory, void* stream) const;

private:
    struct Ready {
        const Kernel* kernel;
        void* module;
        void* function;
    };

    Kernels(const Operator& op, const Driver& driver) : op_(op), driver_(driver) {}
    std::string load(const Kernel& kernel);
    const Ready* find(Type type, const Sizes& sizes, int step) const;

    const Operator& op_;
    const Driver& driver_;
    std::vector<Ready> ready_;
};

}  // namespace tosa
