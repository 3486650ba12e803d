// Does for one frame what nvinfer does: depth on stdin, levels on stdout, then what was given as probabilities.
//
//   frame LIBRARY FUNCTION NAME HEIGHT WIDTH

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "nvdsinfer_custom_impl.h"

int main(int, char** words) {
    void* library = dlopen(words[1], RTLD_NOW);
    if (!library) return 2;
    auto parse = reinterpret_cast<NvDsInferSemSegmentationParseCustomFunc>(dlsym(library, words[2]));
    if (!parse) return 3;
    const unsigned int height = std::atoi(words[4]), width = std::atoi(words[5]);
    std::vector<float> depth(height * width);
    if (std::fread(depth.data(), sizeof(float), depth.size(), stdin) != depth.size()) return 4;
    NvDsInferLayerInfo layer{};
    layer.dataType = FLOAT;
    layer.inferDims.numDims = 2;
    layer.inferDims.d[0] = height;
    layer.inferDims.d[1] = width;
    layer.layerName = words[3];
    layer.buffer = depth.data();
    std::vector<int> levels(depth.size(), -1);
    float* kept = nullptr;
    if (!parse({layer}, {width, height, 3}, 0.0f, 1, levels.data(), kept)) return 1;
    std::fwrite(levels.data(), sizeof(int), levels.size(), stdout);
    std::fwrite(kept, sizeof(float), depth.size(), stdout);
    return 0;
}
