#include "operators.h"

// The cubins, inside the library. TOSA_CUBINS is the file's path.
asm(R"(
    .pushsection .rodata
    .balign 16
    .global tosa_cubins
    .hidden tosa_cubins
tosa_cubins:
    .incbin ")" TOSA_CUBINS R"("
    .popsection
)");

extern "C" __attribute__((visibility("hidden"))) const char tosa_cubins[];

namespace tosa {

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

#include "tosa_tables.inc"

const void* cubin(const Kernel& kernel) {
    return tosa_cubins + kernel.offset;
}

}  // namespace tosa
