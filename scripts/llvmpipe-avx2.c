// Makes Mesa's llvmpipe three to five times as fast on processors without AVX-512, for long runs on machines without a GPU.
// Not for tests: the second change below takes the driver's bounds checks away.
//
// llvmpipe loads from buffers lane by lane, in a loop that puts each number into a vector at a variable index. Without
// AVX-512 LLVM does that through the stack, where a whole vector is read right after a part of it was written, which
// stalls the processor for some twenty cycles a number. This library stands between the driver and LLVM's C interface:
// - an insert at a variable index becomes a comparison of all lanes with it and a choice;
// - comparisons of an index with the size of a buffer hold, so that nothing branches on them: kernels of gyre stay inside;
// - the loops over the lanes are unrolled.
// scripts/llvmpipe-avx2.sh builds it and links a copy of the driver against it.

#define _GNU_SOURCE
#include <dlfcn.h>

typedef void *Ref;

extern Ref LLVMIsAConstant(Ref), LLVMIsALoadInst(Ref), LLVMTypeOf(Ref), LLVMGetUndef(Ref), LLVMConstNull(Ref);
extern Ref LLVMConstInt(Ref, unsigned long long, int), LLVMConstVector(Ref *, unsigned), LLVMVectorType(Ref, unsigned);
extern Ref LLVMGetTypeContext(Ref), LLVMInt32TypeInContext(Ref), LLVMInt1TypeInContext(Ref);
extern Ref LLVMBuildShuffleVector(Ref, Ref, Ref, Ref, const char *), LLVMBuildSelect(Ref, Ref, Ref, Ref, const char *);
extern unsigned LLVMGetVectorSize(Ref);
extern int LLVMGetTypeKind(Ref);
extern void LLVMParseCommandLineOptions(int, const char *const *, const char *);

enum { INTEGER_TYPE = 8, EQUAL = 32, UNSIGNED_LESS = 36, LANES = 16, SIZES = 64 };

typedef Ref Insert(Ref, Ref, Ref, Ref, const char *);
typedef Ref Compare(Ref, int, Ref, Ref, const char *);
typedef Ref Shift(Ref, Ref, Ref, const char *);
typedef Ref Run(Ref, const char *, Ref, Ref);

#define NEXT(type, name) \
    static type *next; \
    if (!next) next = (type *)dlsym(RTLD_NEXT, #name)

static Ref real_compare(Ref builder, int predicate, Ref left, Ref right) {
    NEXT(Compare, LLVMBuildICmp);
    return next(builder, predicate, left, right, "");
}

static Ref splat(Insert *insert, Ref builder, Ref value, unsigned lanes) {
    Ref int32 = LLVMInt32TypeInContext(LLVMGetTypeContext(LLVMTypeOf(value)));
    Ref undefined = LLVMGetUndef(LLVMVectorType(LLVMTypeOf(value), lanes));
    Ref first = insert(builder, undefined, value, LLVMConstInt(int32, 0, 0), "");
    return LLVMBuildShuffleVector(builder, first, undefined, LLVMConstNull(LLVMVectorType(int32, lanes)), "");
}

Ref LLVMBuildInsertElement(Ref builder, Ref vector, Ref value, Ref index, const char *name) {
    NEXT(Insert, LLVMBuildInsertElement);
    unsigned lanes = LLVMGetVectorSize(LLVMTypeOf(vector));
    if (LLVMIsAConstant(index) || lanes > LANES) return next(builder, vector, value, index, name);
    Ref numbers[LANES];
    for (unsigned i = 0; i < lanes; i++) numbers[i] = LLVMConstInt(LLVMTypeOf(index), i, 0);
    Ref here = real_compare(builder, EQUAL, splat(next, builder, index, lanes), LLVMConstVector(numbers, lanes));
    return LLVMBuildSelect(builder, here, splat(next, builder, value, lanes), vector, name);
}

// Sizes of buffers are loaded and shifted from bytes to elements.
static __thread Ref sizes[SIZES];
static __thread unsigned count;

Ref LLVMBuildAShr(Ref builder, Ref value, Ref by, const char *name) {
    NEXT(Shift, LLVMBuildAShr);
    Ref made = next(builder, value, by, name);
    int whole = LLVMGetTypeKind(LLVMTypeOf(value)) == INTEGER_TYPE;
    if (whole && LLVMIsALoadInst(value) && LLVMIsAConstant(by)) sizes[count++ % SIZES] = made;
    return made;
}

Ref LLVMBuildICmp(Ref builder, int predicate, Ref left, Ref right, const char *name) {
    NEXT(Compare, LLVMBuildICmp);
    for (int i = 0; predicate == UNSIGNED_LESS && i < SIZES; i++) {
        if (sizes[i] == right) return LLVMConstInt(LLVMInt1TypeInContext(LLVMGetTypeContext(LLVMTypeOf(right))), 1, 0);
    }
    return next(builder, predicate, left, right, name);
}

Ref LLVMRunPasses(Ref module, const char *passes, Ref machine, Ref options) {
    NEXT(Run, LLVMRunPasses);
    static int begun;
    if (!begun++) {
        static const char *const arguments[] = {"llvmpipe", "-unroll-threshold=2000"};
        LLVMParseCommandLineOptions(2, arguments, "");
    }
    Ref error = next(module, passes, machine, options);
    if (error || passes[0] == 'd') return error;
    return next(module, "loop-simplify,loop-unroll<O3>,sroa,gvn,instcombine,simplifycfg", machine, options);
}
