// Where the plugins say why something cannot be done: the host's TensorRT log if it has given us one.
#pragma once

#include <NvInferRuntime.h>

#include <string>

namespace tosa {

using Severity = nvinfer1::ILogger::Severity;

void set_logger_finder(nvinfer1::ILoggerFinder* finder);
void log(Severity severity, const std::string& message);

}  // namespace tosa
