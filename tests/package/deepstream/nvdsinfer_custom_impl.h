// As much of DeepStream's header as the parser uses, written after its documentation: names, types, order.
#pragma once

#include <vector>

#define NVDSINFER_MAX_DIMS 8

typedef enum { FLOAT = 0, HALF = 1, INT8 = 2, INT32 = 3 } NvDsInferDataType;

typedef struct {
    unsigned int numDims;
    unsigned int d[NVDSINFER_MAX_DIMS];
    unsigned int numElements;
} NvDsInferDims;

typedef struct {
    NvDsInferDataType dataType;
    union {
        NvDsInferDims inferDims;
        NvDsInferDims dims;
    };
    int bindingIndex;
    const char* layerName;
    void* buffer;
    int isInput;
} NvDsInferLayerInfo;

typedef struct {
    unsigned int width;
    unsigned int height;
    unsigned int channels;
} NvDsInferNetworkInfo;

typedef bool (*NvDsInferSemSegmentationParseCustomFunc)(std::vector<NvDsInferLayerInfo> const& outputLayersInfo,
                                                        NvDsInferNetworkInfo const& networkInfo,
                                                        float segmentationThreshold, unsigned int numClasses,
                                                        int* classificationMap, float*& classProbabilityMap);

// Theirs is a function that is never called; that it compiles is the check, and so it is here.
#define CHECK_CUSTOM_SEM_SEGMENTATION_PARSE_FUNC_PROTOTYPE(function) \
    static_assert(static_cast<NvDsInferSemSegmentationParseCustomFunc>(function) != nullptr, "wrong prototype")
