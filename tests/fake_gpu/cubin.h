// What a cubin says of itself: its functions, and what their parameters are.
#pragma once

#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>

namespace cubin {

// .nv.info: a record with a payload; a parameter; of a function its stack and its registers
constexpr uint8_t kWithSize = 4, kParameterInfo = 0x17, kFrameSize = 0x11, kRegisters = 0x2f;

using Parameters = std::map<int, int>;  // ordinal to bytes

template <typename T>
T at(const char* place) {
    T value;
    std::memcpy(&value, place, sizeof value);
    return value;
}

inline bool is_one(const char* image) {
    return !std::memcmp(image, ELFMAG, SELFMAG);
}

inline Elf64_Shdr section(const char* image, int i) {
    const auto head = at<Elf64_Ehdr>(image);
    return at<Elf64_Shdr>(image + head.e_shoff + i * head.e_shentsize);
}

inline Parameters parameters(const char* record, const char* end) {
    Parameters found;
    while (record < end) {
        const bool sized = record[0] == kWithSize;
        if (sized && static_cast<uint8_t>(record[1]) == kParameterInfo)
            found[at<uint16_t>(record + 8)] = static_cast<int>(at<uint32_t>(record + 12) >> 18);
        record += 4 + (sized ? at<uint16_t>(record + 2) : 0);
    }
    return found;
}

inline std::map<std::string, Parameters> functions(const char* image) {
    const auto head = at<Elf64_Ehdr>(image);
    const char* names = image + section(image, head.e_shstrndx).sh_offset;
    std::map<std::string, Parameters> found;
    for (int i = 0; i < head.e_shnum; ++i) {
        const auto s = section(image, i);
        const std::string name = names + s.sh_name, prefix = ".nv.info.";
        if (name.compare(0, prefix.size(), prefix) == 0)
            found[name.substr(prefix.size())] =
                parameters(image + s.sh_offset, image + s.sh_offset + s.sh_size);
    }
    return found;
}

// Of the only function: kFrameSize or kRegisters; -1 if it is not said.
inline int figure(const char* image, uint8_t which) {
    const auto head = at<Elf64_Ehdr>(image);
    const char* names = image + section(image, head.e_shstrndx).sh_offset;
    for (int i = 0; i < head.e_shnum; ++i) {
        const auto s = section(image, i);
        if (std::strcmp(names + s.sh_name, ".nv.info")) continue;
        const char *record = image + s.sh_offset, *end = record + s.sh_size;
        while (record < end) {
            const bool sized = record[0] == kWithSize;
            if (sized && static_cast<uint8_t>(record[1]) == which) return at<int>(record + 8);
            record += 4 + (sized ? at<uint16_t>(record + 2) : 0);
        }
    }
    return -1;
}

inline unsigned architecture(const char* image) {
    const auto head = at<Elf64_Ehdr>(image);
    return (image[EI_ABIVERSION] < 8 ? head.e_flags : head.e_flags >> 8) & 0xff;
}

// Where the last part of it ends: the driver is given no length.
inline size_t bytes(const char* image) {
    const auto head = at<Elf64_Ehdr>(image);
    return std::max(head.e_shoff + head.e_shnum * head.e_shentsize, head.e_phoff + head.e_phnum * head.e_phentsize);
}

}  // namespace cubin
