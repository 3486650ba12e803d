#include "log.h"

#include <atomic>
#include <iostream>

namespace tosa {

namespace {

std::atomic<nvinfer1::ILoggerFinder*> logger_finder{nullptr};

}  // namespace

void set_logger_finder(nvinfer1::ILoggerFinder* finder) {
    logger_finder = finder;
}

void log(Severity severity, const std::string& message) {
    const std::string text = "tosa-edge: " + message;
    nvinfer1::ILoggerFinder* finder = logger_finder;
    if (nvinfer1::ILogger* logger = finder ? finder->findLogger() : nullptr)
        logger->log(severity, text.c_str());
    else
        std::cerr << text << '\n';
}

}  // namespace tosa
