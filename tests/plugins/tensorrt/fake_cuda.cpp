// A libcuda.so.1 without a GPU: it says what it was asked, a line a call, and takes what a parameter is from
// the cubin itself, as the driver does. FAKE_SM is the GPU, as 87; 0: no context is current.
#include <elf.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

namespace {

constexpr int kInvalidContext = 201, kInvalidImage = 200, kNotFound = 500, kInvalidValue = 1;
constexpr uint8_t kWithSize = 4, kParameterInfo = 0x17;  // .nv.info: a record with a payload; a parameter
struct Function {
    std::string name;
    std::map<int, int> parameters{};  // ordinal to bytes
    int most_shared = 48 * 1024;  // until more is asked for
};
using Module = std::map<std::string, Function>;
int modules = 0;

template <typename T>
T at(const char* place) {
    T value;
    std::memcpy(&value, place, sizeof value);
    return value;
}

void read_parameters(const char* record, const char* end, Function& function) {
    while (record < end) {
        const bool sized = record[0] == kWithSize;
        if (sized && static_cast<uint8_t>(record[1]) == kParameterInfo)
            function.parameters[at<uint16_t>(record + 8)] = static_cast<int>(at<uint32_t>(record + 12) >> 18);
        record += 4 + (sized ? at<uint16_t>(record + 2) : 0);
    }
}

int gpu() {
    const char* sm = std::getenv("FAKE_SM");
    return sm ? std::atoi(sm) : 0;
}

}  // namespace

extern "C" {

int cuCtxGetDevice(int* device) {
    *device = 0;
    return gpu() ? 0 : kInvalidContext;
}

int cuDeviceGetAttribute(int* value, int attribute, int) {
    *value = attribute == 75 ? gpu() / 10 : gpu() % 10;
    return attribute == 75 || attribute == 76 ? 0 : kInvalidValue;
}

int cuModuleLoadData(void** module, const void* data) {
    const char* image = static_cast<const char*>(data);
    if (std::memcmp(image, ELFMAG, SELFMAG) != 0) return kInvalidImage;
    const auto head = at<Elf64_Ehdr>(image);
    auto section = [&](int i) { return at<Elf64_Shdr>(image + head.e_shoff + i * head.e_shentsize); };
    const char* names = image + section(head.e_shstrndx).sh_offset;
    auto* made = new Module;
    for (int i = 0; i < head.e_shnum; ++i) {
        const auto s = section(i);
        const std::string name = names + s.sh_name, prefix = ".nv.info.";
        if (name.compare(0, prefix.size(), prefix) != 0) continue;
        Function function{name.substr(prefix.size())};
        read_parameters(image + s.sh_offset, image + s.sh_offset + s.sh_size, function);
        (*made)[function.name] = function;
    }
    *module = made;
    const unsigned flags = image[EI_ABIVERSION] < 8 ? head.e_flags : head.e_flags >> 8;
    std::printf("driver load sm_%u, %d loaded\n", flags & 0xff, ++modules);
    return 0;
}

int cuModuleUnload(void* module) {
    delete static_cast<Module*>(module);
    std::printf("driver unload, %d loaded\n", --modules);
    return 0;
}

int cuModuleGetFunction(void** function, void* module, const char* name) {
    auto& functions = *static_cast<Module*>(module);
    auto found = functions.find(name);
    if (found == functions.end()) return kNotFound;
    *function = &found->second;
    return 0;
}

int cuFuncSetAttribute(void* function, int attribute, int value) {
    auto& asked = *static_cast<Function*>(function);
    std::printf("driver attribute %s %d %d\n", asked.name.c_str(), attribute, value);
    if (attribute != 8) return kInvalidValue;
    asked.most_shared = value;
    return 0;
}

int cuLaunchKernel(
    void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
    unsigned shared, void* stream, void** parameters, void** extra) {
    const auto& asked = *static_cast<Function*>(function);
    std::printf("driver launch %s %u %u %u threads %u %u %u shared %u stream %p with", asked.name.c_str(), gx,
                gy, gz, bx, by, bz, shared, stream);
    for (const auto& [ordinal, bytes] : asked.parameters) {
        const char* value = static_cast<const char*>(parameters[ordinal]);
        if (bytes == 8)
            std::printf(" p%llx", static_cast<unsigned long long>(at<uint64_t>(value)));
        else
            std::printf(" w%x", at<uint32_t>(value));
    }
    std::printf("\n");
    const bool too_much = std::max(gy, gz) > 65535 || static_cast<int>(shared) > asked.most_shared;
    return extra || too_much ? kInvalidValue : 0;
}

int cuGetErrorName(int error, const char** name) {
    *name = error == kInvalidContext ? "CUDA_ERROR_INVALID_CONTEXT" : "CUDA_ERROR_OTHER";
    return 0;
}
}
