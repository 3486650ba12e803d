// libcuda.so.1 of a GPU that is not there, for tests: its memory is the host's, its kernels are fit.cu compiled
// for the CPU. The real cuda-python runs on it. It loads cubins too, and lets whoever called `fake_kernels` do
// their work. FAKE_SM is the GPU, as 90; else it is an 87.
//
// Streams are lazy. Work waits in its queue until something synchronises, so a wait that was forgotten gives
// wrong numbers, each time. Contexts are per thread, as the real ones; every address is checked.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>
#include <dlfcn.h>

#include "cubin.h"

using std::max;
using std::min;
#define __global__
#define __device__
struct Dim { int x, y; };
static Dim blockIdx, blockDim, threadIdx;
#include "fit.cu"

enum { OK = 0, INVALID_VALUE = 1, NO_MEMORY = 2, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500,
       ILLEGAL_ADDRESS = 700, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901 };

struct Context { bool primary; };
struct Stream;
struct Mark { bool done = false; double time = 0; Stream* on = nullptr; };
using Work = std::function<int()>;
struct Graph { std::vector<Work> works; };
struct Stream {
    Context* context;
    std::deque<Work> queue;
    std::shared_ptr<Graph> capture = nullptr;
    bool spoilt = false;
};
struct Event { Context* context; std::shared_ptr<Mark> mark; };
struct Module;
struct Function {  // of a cubin
    const Module* module;
    std::string name;
    cubin::Parameters parameters;
    int most_shared = 48 * 1024;  // until more is asked for
};
struct Module { Context* context; std::string image; std::map<std::string, Function> functions; };
// Does the work of a kernel: its name, its cubin, the grid, and the parameters, each in eight bytes.
using Kernels = int (*)(const char*, const char*, size_t, const unsigned*, const uint64_t*, int);
struct Memory { size_t size; Context* context; bool host, mapped; };

static std::recursive_mutex lock;
static std::map<std::string, int> calls, failing, live;
static std::map<uintptr_t, Memory> memories;
static std::map<Context*, std::map<int, Stream*>> defaults;
static std::set<void*> handles;  // those that were not destroyed yet
static std::set<void*> functions;  // those of cubins that are loaded
static Kernels kernels = nullptr;
static Context primary{true};
static int version = 13000, integrated = 0, multiprocessors = 8;
static thread_local std::vector<Context*> stack;
static thread_local std::set<Stream*> capturing;

static Context* current() { return stack.empty() ? nullptr : stack.back(); }

static int run(Stream* stream, const std::shared_ptr<Mark>& until = nullptr) {
    while (!stream->queue.empty() && !(until && until->done)) {
        Work work = stream->queue.front();
        stream->queue.pop_front();
        if (int status = work()) return status;
    }
    return OK;
}

static Stream* named(void* handle) {
    auto number = reinterpret_cast<uintptr_t>(handle);
    if (number > 2) return static_cast<Stream*>(handle);
    Stream*& found = defaults[current()][number == 2];
    if (!found) found = new Stream{current()};
    return found;
}

static int queue(Stream* stream, Work work) {
    if (stream->context != current()) return INVALID_HANDLE;
    if (stream->capture) stream->capture->works.push_back(work);
    else stream->queue.push_back(work);
    return OK;
}

static bool lies(const void* begin, size_t size) {
    auto address = reinterpret_cast<uintptr_t>(begin);
    auto after = memories.upper_bound(address);
    if (after == memories.begin()) return false;
    auto& [start, memory] = *std::prev(after);
    return address + size <= start + memory.size;
}

static bool on_host(const void* address) {
    return std::prev(memories.upper_bound(reinterpret_cast<uintptr_t>(address)))->second.host;
}

// What no capturing thread may do; the capture is lost with it.
static int forbidden() {
    for (Stream* stream : capturing) stream->spoilt = true;
    return capturing.empty() ? OK : CAPTURE_UNSUPPORTED;
}

#define ENTER(name)                                          \
    std::lock_guard<std::recursive_mutex> guard(lock);       \
    ++calls[name];                                           \
    if (auto it = failing.find(name); it != failing.end()) return it->second;
#define INSIDE(name)                                         \
    ENTER(name)                                              \
    if (!current()) return INVALID_CONTEXT;

template <class T> static int make(T** out, T* made, const char* kind) {
    ++live[kind];
    handles.insert(made);
    *out = made;
    return OK;
}

template <class T> static int destroy(T* made, const char* kind) {
    if (!handles.erase(made)) return INVALID_HANDLE;
    --live[kind];
    delete made;
    return OK;
}

static int allocate(uintptr_t* out, size_t size, bool host, bool mapped) {
    if (int status = forbidden()) return status;
    auto address = reinterpret_cast<uintptr_t>(new uint8_t[size]);
    memset(reinterpret_cast<void*>(address), 0xA5, size);
    memories[address] = {size, current(), host, mapped};
    ++live["memory"];
    *out = address;
    return OK;
}

static int release(uintptr_t address, bool host) {
    auto it = memories.find(address);
    if (it == memories.end() || it->second.host != host || it->second.context != current()) return INVALID_VALUE;
    if (int status = forbidden()) return status;
    memories.erase(it);
    delete[] reinterpret_cast<uint8_t*>(address);
    --live["memory"];
    return OK;
}

extern "C" {
// For tests.
int fake_live(const char* kind) { return live[kind]; }
int fake_calls(const char* name) { return calls[name]; }
void fake_fail(const char* name, int code) { if (code) failing[name] = code; else failing.erase(name); }
void fake_machine(int driver, int shared, int size) { version = driver; integrated = shared; multiprocessors = size; }
void* fake_context() { return new Context{false}; }
int fake_depth() { return stack.size(); }
void fake_kernels(Kernels given) { kernels = given; }
// How many bytes of an allocation lie from that address on.
size_t fake_extent(uintptr_t address) {
    std::lock_guard<std::recursive_mutex> guard(lock);
    auto after = memories.upper_bound(address);
    if (after == memories.begin()) return 0;
    auto& [start, memory] = *std::prev(after);
    return address < start + memory.size ? start + memory.size - address : 0;
}

int cuInit(unsigned) { ENTER("cuInit") return OK; }
int cuDriverGetVersion(int* out) { ENTER("cuDriverGetVersion") *out = version; return OK; }
int cuDeviceGetCount(int* out) { ENTER("cuDeviceGetCount") *out = 1; return OK; }
int cuDeviceGet(int* out, int) { ENTER("cuDeviceGet") *out = 0; return OK; }
int cuDeviceGetName(char* out, int size, int) { snprintf(out, size, "Fake"); return OK; }
int cuDeviceGetAttribute(int* out, int which, int) {
    ENTER("cuDeviceGetAttribute")
    static const int sm = getenv("FAKE_SM") ? atoi(getenv("FAKE_SM")) : 87;
    *out = which == 18 ? integrated : which == 16 ? multiprocessors : which == 19 ? 1
        : which == 75 ? sm / 10 : which == 76 ? sm % 10 : 0;
    return OK;
}
int cuDevicePrimaryCtxRetain(Context** out, int) {
    ENTER("cuDevicePrimaryCtxRetain")
    ++live["primary"];
    *out = &primary;
    return OK;
}
int cuDevicePrimaryCtxRelease_v2(int) { ENTER("cuDevicePrimaryCtxRelease") --live["primary"]; return OK; }
int cuCtxGetCurrent(Context** out) { ENTER("cuCtxGetCurrent") *out = current(); return OK; }
int cuCtxPushCurrent_v2(Context* context) { ENTER("cuCtxPushCurrent") stack.push_back(context); return OK; }
int cuCtxPopCurrent_v2(Context** out) {
    INSIDE("cuCtxPopCurrent")
    *out = current();
    stack.pop_back();
    return OK;
}
int cuCtxGetDevice(int* out) { INSIDE("cuCtxGetDevice") *out = 0; return OK; }

int cuMemAlloc_v2(uintptr_t* out, size_t size) { INSIDE("cuMemAlloc") return allocate(out, size, false, false); }
int cuMemFree_v2(uintptr_t address) { INSIDE("cuMemFree") return release(address, false); }
int cuMemHostAlloc(uintptr_t* out, size_t size, unsigned flags) {
    INSIDE("cuMemHostAlloc")
    return allocate(out, size, true, flags & 2);
}
int cuMemFreeHost(uintptr_t address) { INSIDE("cuMemFreeHost") return release(address, true); }
int cuMemHostGetDevicePointer_v2(uintptr_t* out, uintptr_t host, unsigned) {
    INSIDE("cuMemHostGetDevicePointer")
    *out = host;
    return memories.count(host) && memories[host].mapped ? OK : INVALID_VALUE;
}
int cuMemcpyAsync(void* to, const void* from, size_t size, void* stream) {
    INSIDE("cuMemcpyAsync")
    if (!lies(to, size) || !lies(from, size)) return INVALID_VALUE;
    return queue(named(stream), [=] {
        if (!lies(to, size) || !lies(from, size)) return int(ILLEGAL_ADDRESS);
        memcpy(to, from, size);
        return int(OK);
    });
}
int cuMemcpyDtoH_v2(void* to, const void* from, size_t size) {
    INSIDE("cuMemcpyDtoH")
    if (!lies(from, size)) return INVALID_VALUE;
    int status = run(named(nullptr));
    memcpy(to, from, size);
    return status;
}
int cuPointerGetAttribute(void* out, int which, uintptr_t address) {
    ENTER("cuPointerGetAttribute")
    if (!lies(reinterpret_cast<void*>(address), 1)) return INVALID_VALUE;
    if (which == 1) *static_cast<Context**>(out) = std::prev(memories.upper_bound(address))->second.context;
    else *static_cast<int*>(out) = 0;
    return OK;
}

int cuStreamCreate(Stream** out, unsigned flags) {
    INSIDE("cuStreamCreate")
    if (flags != 1) return INVALID_VALUE;  // ours never wait for the default stream by themselves
    return make(out, new Stream{current()}, "stream");
}
int cuStreamDestroy_v2(Stream* stream) { INSIDE("cuStreamDestroy") return destroy(stream, "stream"); }
int cuStreamSynchronize(void* handle) {
    INSIDE("cuStreamSynchronize")
    Stream* stream = named(handle);
    if (stream->capture) { stream->spoilt = true; return CAPTURE_UNSUPPORTED; }
    return run(stream);
}
int cuStreamWaitEvent(void* handle, Event* event, unsigned) {
    INSIDE("cuStreamWaitEvent")
    auto mark = event->mark;
    return queue(named(handle), [=] { return mark && !mark->done ? run(mark->on, mark) : int(OK); });
}
int cuStreamBeginCapture_v2(Stream* stream, int mode) {
    INSIDE("cuStreamBeginCapture")
    if (mode != 1) return INVALID_VALUE;  // ours is local to its thread
    if (!stream->queue.empty()) return INVALID_VALUE;  // and comes after a first run that is over
    stream->capture = std::make_shared<Graph>();
    stream->spoilt = false;
    capturing.insert(stream);
    return OK;
}
int cuStreamEndCapture(Stream* stream, Graph** out) {
    INSIDE("cuStreamEndCapture")
    if (!capturing.erase(stream)) return INVALID_VALUE;
    auto graph = stream->capture;
    stream->capture = nullptr;
    *out = nullptr;
    return stream->spoilt ? int(CAPTURE_INVALIDATED) : make(out, new Graph(*graph), "graph");
}
int cuGraphInstantiateWithFlags(Graph** out, Graph* graph, unsigned long long) {
    INSIDE("cuGraphInstantiate")
    return make(out, new Graph(*graph), "graph exec");
}
int cuGraphDestroy(Graph* graph) { INSIDE("cuGraphDestroy") return destroy(graph, "graph"); }
int cuGraphExecDestroy(Graph* graph) { INSIDE("cuGraphExecDestroy") return destroy(graph, "graph exec"); }
int cuGraphLaunch(Graph* graph, void* stream) {
    INSIDE("cuGraphLaunch")
    for (auto& work : graph->works)
        if (int status = queue(named(stream), work)) return status;
    return OK;
}
int cuLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
    INSIDE("cuLaunchHostFunc")
    return queue(named(stream), [=] {
        // It may want Python's lock, and whoever has that may be waiting for ours.
        lock.unlock();
        function(data);
        lock.lock();
        return int(OK);
    });
}

int cuEventCreate(Event** out, unsigned) { INSIDE("cuEventCreate") return make(out, new Event{current()}, "event"); }
int cuEventDestroy_v2(Event* event) { INSIDE("cuEventDestroy") return destroy(event, "event"); }
int cuEventRecord(Event* event, void* handle) {
    INSIDE("cuEventRecord")
    auto mark = event->mark = std::make_shared<Mark>();
    mark->on = named(handle);
    return queue(mark->on, [=] {
        mark->done = true;
        auto now = std::chrono::steady_clock::now().time_since_epoch();
        mark->time = std::chrono::duration<double, std::milli>(now).count();
        return int(OK);
    });
}
int cuEventElapsedTime(float* out, Event* from, Event* to) {
    INSIDE("cuEventElapsedTime")
    if (!from->mark || !to->mark || !from->mark->done || !to->mark->done) return 600;
    *out = to->mark->time - from->mark->time;
    return OK;
}

int cuModuleLoadData(Module** out, const char* image) {
    INSIDE("cuModuleLoadData")
    if (cubin::is_one(image)) {
        auto made = new Module{current(), std::string(image, cubin::bytes(image)), {}};
        for (auto& [name, parameters] : cubin::functions(image))
            functions.insert(&(made->functions[name] = {made, name, parameters}));
        return make(out, made, "module");
    }
    if (!strstr(image, ".entry fit_frame") || !strstr(image, ".entry restore_depth")) return 218;
    return make(out, new Module{current(), "", {}}, "module");
}
int cuModuleUnload(Module* module) {
    INSIDE("cuModuleUnload")
    if (handles.count(module))
        for (auto& [name, function] : module->functions) functions.erase(&function);
    return destroy(module, "module");
}
int cuModuleGetFunction(void** out, Module* module, const char* name) {
    INSIDE("cuModuleGetFunction")
    auto found = module->functions.find(name);
    if (found != module->functions.end()) *out = &found->second;
    else *out = !strcmp(name, "fit_frame") ? (void*)fit_frame : !strcmp(name, "restore_depth") ? (void*)restore_depth : nullptr;
    return *out ? OK : NOT_FOUND;
}
int cuFuncSetAttribute(Function* function, int which, int value) {
    INSIDE("cuFuncSetAttribute")
    if (which != 8 || !functions.count(function)) return INVALID_VALUE;
    function->most_shared = value;
    return OK;
}
int cuFuncGetAttribute(int* out, int which, Function* function) {
    INSIDE("cuFuncGetAttribute")
    if (!functions.count(function) || (which != 3 && which != 4)) return INVALID_VALUE;
    *out = cubin::figure(function->module->image.data(), which == 3 ? cubin::kFrameSize : cubin::kRegisters);
    return OK;
}
static int launch_cubin(Function* function, const unsigned* grid, unsigned shared, void* stream, void** parameters) {
    if (!kernels || function->module->context != current()) return INVALID_HANDLE;
    if (max(grid[1], grid[2]) > 65535 || int(shared) > function->most_shared) return INVALID_VALUE;
    std::vector<uint64_t> values;
    for (auto& [ordinal, bytes] : function->parameters) {
        values.push_back(0);
        memcpy(&values.back(), parameters[ordinal], bytes);
    }
    std::vector<unsigned> programs(grid, grid + 3);
    return queue(named(stream), [=] {
        auto& image = function->module->image;
        lock.unlock();  // as in cuLaunchHostFunc
        int status = kernels(function->name.c_str(), image.data(), image.size(), programs.data(), values.data(), values.size());
        lock.lock();
        return status;
    });
}
int cuLaunchKernel(void* kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned,
                   unsigned shared, void* stream, void** parameters, void**) {
    INSIDE("cuLaunchKernel")
    const unsigned grid[3] = {gx, gy, gz};
    if (functions.count(kernel)) return launch_cubin(static_cast<Function*>(kernel), grid, shared, stream, parameters);
    auto to = *static_cast<void**>(parameters[0]);
    auto from = *static_cast<const void**>(parameters[1]);
    auto g = *static_cast<Geometry*>(parameters[2]);
    return queue(named(stream), [=] {
        bool fits = kernel == (void*)fit_frame;
        size_t written = fits ? 3ul * g.height * g.width : 4ul * g.frame_height * g.frame_width;
        if (!lies(to, written)) return int(ILLEGAL_ADDRESS);
        if (fits)
            for (long long row : {0LL, (g.frame_height - 1) * g.row})
                for (long long column : {0LL, (g.frame_width - 1) * g.column})
                    for (long long channel : {0LL, 2 * g.channel})
                        if (!lies(static_cast<const uint8_t*>(from) + row + column + channel, 1))
                            return int(ILLEGAL_ADDRESS);
        if (!fits && !lies(from, 4ul * g.height * g.width)) return int(ILLEGAL_ADDRESS);
        calls["read of host memory"] += on_host(from);
        calls["write to host memory"] += on_host(to);
        blockDim = {int(bx), int(by)};
        for (blockIdx.y = 0; blockIdx.y < int(gy); ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < int(gx); ++blockIdx.x)
                for (threadIdx.y = 0; threadIdx.y < int(by); ++threadIdx.y)
                    for (threadIdx.x = 0; threadIdx.x < int(bx); ++threadIdx.x)
                        if (fits) fit_frame((unsigned char*)to, (const unsigned char*)from, g);
                        else restore_depth((float*)to, (const float*)from, g);
        return int(OK);
    });
}

int cuGetErrorName(int error, const char** name) {
    *name = error == INVALID_CONTEXT ? "CUDA_ERROR_INVALID_CONTEXT" : "CUDA_ERROR_OTHER";
    return OK;
}

// How the bindings find all of the above.
int cuGetProcAddress_v2(const char* name, void** out, int, uint64_t, int* status) {
    static void* self = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_LAZY);
    for (const char* suffix : {"_v2", "WithFlags", ""})
        if ((*out = dlsym(self, (std::string(name) + suffix).c_str()))) break;
    if (status) *status = !*out;
    return *out ? OK : NOT_FOUND;
}
int cuGetProcAddress(const char* name, void** out, int v, uint64_t flags) {
    return cuGetProcAddress_v2(name, out, v, flags, nullptr);
}
}
