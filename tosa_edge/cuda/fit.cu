// Frames into the graph's input and depth back out: what tosa_edge/runtime/fit.py does with OpenCV, in one pass.
//
// Each axis has whole-number weights: where it shrinks, by how much an output pixel covers each source pixel
// (INTER_AREA); where it grows, by how near the two next to it are (INTER_LINEAR). A colour is then an exact
// fraction, rounded once. Compiled to fit.ptx by compile.py; tests compile this same text for the CPU.

struct Box {
    int top, left, height, width;
};

// The order and types are those of `_Geometry` in kernels.py.
struct Geometry {
    long long row, column, channel;  // steps of the frame, in bytes
    int height, width;               // of the graph's input
    int frame_height, frame_width;
    Box source, target;
    int swap;  // blue comes first
    int bars;  // their colour, red in the lowest byte
};

// Source pixels `first` to `last` of `from` make output pixel `at` of `to`; their weights add up to `whole`.
struct Taps {
    int from, to, at, first, last, whole, fraction;

    __device__ Taps(int from_, int to_, int at_) : from(from_), to(to_), at(at_), fraction(0) {
        if (from >= to) {
            first = at * from / to;
            last = ((at + 1) * from - 1) / to;
            whole = from;
            return;
        }
        whole = 2 * to;
        int place = (2 * at + 1) * from - to;  // of the output pixel's middle, in steps of 1 / whole
        first = place < 0 ? 0 : place / whole;
        last = first + 1 < from ? first + 1 : first;
        fraction = place < 0 || last == first ? 0 : place % whole;
    }

    __device__ int weight(int source) const {
        if (from < to) return source != first ? fraction : last == first ? whole : whole - fraction;
        int begin = source * to > at * from ? source * to : at * from;
        int end = (source + 1) * to < (at + 1) * from ? (source + 1) * to : (at + 1) * from;
        return end - begin;
    }
};

extern "C" __global__ void fit_frame(unsigned char* image, const unsigned char* frame, Geometry g) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= g.width || y >= g.height) return;
    unsigned char* pixel = image + 3LL * (y * g.width + x);
    int over = x - g.target.left, down = y - g.target.top;
    if (over < 0 || over >= g.target.width || down < 0 || down >= g.target.height) {
        for (int c = 0; c < 3; ++c) pixel[c] = g.bars >> (8 * c) & 255;
        return;
    }
    Taps rows(g.source.height, g.target.height, down), columns(g.source.width, g.target.width, over);
    unsigned long long sums[3] = {0, 0, 0};
    for (int row = rows.first; row <= rows.last; ++row) {
        const unsigned char* line = frame + (g.source.top + row) * g.row + g.source.left * g.column;
        unsigned int along[3] = {0, 0, 0};
        for (int column = columns.first; column <= columns.last; ++column) {
            int weight = columns.weight(column);
            for (int c = 0; c < 3; ++c) along[c] += weight * line[column * g.column + c * g.channel];
        }
        for (int c = 0; c < 3; ++c) sums[c] += (unsigned long long)rows.weight(row) * along[c];
    }
    unsigned long long whole = (unsigned long long)rows.whole * columns.whole;
    for (int c = 0; c < 3; ++c) pixel[g.swap ? 2 - c : c] = (2 * sums[c] + whole) / (2 * whole);
}

extern "C" __global__ void restore_depth(float* depth, const float* field, Geometry g) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= g.frame_width || y >= g.frame_height) return;
    // Around a crop the nearest value that was seen.
    int over = min(max(x - g.source.left, 0), g.source.width - 1);
    int down = min(max(y - g.source.top, 0), g.source.height - 1);
    Taps rows(g.target.height, g.source.height, down), columns(g.target.width, g.source.width, over);
    float sum = 0;
    for (int row = rows.first; row <= rows.last; ++row) {
        const float* line = field + (long long)(g.target.top + row) * g.width + g.target.left;
        float along = 0;
        for (int column = columns.first; column <= columns.last; ++column)
            along += (float)columns.weight(column) * line[column];
        sum += (float)rows.weight(row) / rows.whole * (along / columns.whole);
    }
    depth[(long long)y * g.frame_width + x] = sum;
}
