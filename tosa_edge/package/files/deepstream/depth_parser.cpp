// Depth for nvinfer, which knows detections, classes and segments: depth goes out as a segmentation.
//
//   g++ -std=c++14 -O2 -shared -fPIC -I/opt/nvidia/deepstream/deepstream/sources/includes
//       -I/usr/local/cuda/include depth_parser.cpp -o libtosa_depth_parser.so
//
// NvDsInferSegmentationMeta then holds, row by row: in class_map a level, 0 the farthest of this frame and 31 the
// nearest, for nvsegvisual; in class_probabilities_map depth itself, float32, relative and inverse, larger is nearer.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <iostream>
#include <limits>
#include <vector>

#include "nvdsinfer_custom_impl.h"

namespace {

constexpr int kLevels = 32;

const NvDsInferLayerInfo* find_depth(const std::vector<NvDsInferLayerInfo>& layers) {
    for (const NvDsInferLayerInfo& layer : layers) {
        if (layer.layerName && std::strcmp(layer.layerName, "depth") == 0) return &layer;
    }
    return nullptr;
}

bool is_picture(const NvDsInferDims& dims, const NvDsInferNetworkInfo& network) {
    return dims.numDims == 2 && dims.d[0] == network.height && dims.d[1] == network.width;
}

}  // namespace

extern "C" bool NvDsInferParseTosaDepth(std::vector<NvDsInferLayerInfo> const& outputLayersInfo,
                                        NvDsInferNetworkInfo const& networkInfo, float /*segmentationThreshold*/,
                                        unsigned int /*numClasses*/, int* classificationMap,
                                        float*& classProbabilityMap) {
    const NvDsInferLayerInfo* layer = find_depth(outputLayersInfo);
    if (!layer || !layer->buffer || layer->dataType != FLOAT || !is_picture(layer->inferDims, networkInfo)) {
        std::cerr << "tosa-edge: there is no float32 output `depth` of " << networkInfo.height << "x"
                  << networkInfo.width << std::endl;
        return false;
    }
    float* depth = static_cast<float*>(layer->buffer);
    const std::size_t pixels = static_cast<std::size_t>(networkInfo.height) * networkInfo.width;
    float far = std::numeric_limits<float>::infinity(), near = -far;
    for (std::size_t i = 0; i < pixels; ++i) {
        if (!std::isfinite(depth[i])) continue;
        far = std::min(far, depth[i]);
        near = std::max(near, depth[i]);
    }
    const float scale = near > far ? kLevels / (near - far) : 0.0f;
    for (std::size_t i = 0; i < pixels; ++i) {
        const int level = std::isfinite(depth[i]) ? static_cast<int>((depth[i] - far) * scale) : 0;
        classificationMap[i] = std::min(level, kLevels - 1);
    }
    classProbabilityMap = depth;  // nvinfer keeps the buffer as long as the metadata
    return true;
}

CHECK_CUSTOM_SEM_SEGMENTATION_PARSE_FUNC_PROTOTYPE(NvDsInferParseTosaDepth);
