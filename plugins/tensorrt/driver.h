// The few functions of the CUDA driver that are needed, from the libcuda that the host has loaded already:
// so neither the CUDA toolkit nor a GPU is needed to compile and link.
#pragma once

#include <string>

namespace tosa {

struct Driver {
    using Result = int;

    Result (*get_device)(int* device);
    Result (*get_attribute)(int* value, int attribute, int device);
    Result (*load_module)(void** module, const void* image);
    Result (*unload_module)(void* module);
    Result (*get_function)(void** function, void* module, const char* name);
    Result (*set_attribute)(void* function, int attribute, int value);
    Result (*launch)(
        void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
        unsigned block_z, unsigned shared, void* stream, void** parameters, void** extra);
    Result (*get_error_name)(Result error, const char** name);

    // Null where there is no driver, and why.
    static const Driver* get(std::string& why);

    // Compute capability of the GPU whose context is current, as 87; 0 and why if there is none.
    int current_sm(std::string& why) const;

    // "CUDA_ERROR_INVALID_CONTEXT", of a result that is not 0.
    std::string name(Result error) const;
};

}  // namespace tosa
