/* Preloaded, it fails the n-th and all later calls of one kind, once armed: what a full or broken
   disk does to Python, SQLite and FAISS alike. Descriptors 0 to 2 are spared. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { WRITE, SYNC, RENAME, TRUNCATE };
static int kind = -1, code, left, failed;

/* kind -1 disarms. */
void fault_arm(int new_kind, int number, int new_code) {
    failed = 0; left = number; code = new_code; kind = new_kind;
}
int fault_count(void) { return failed; }

static int fails(int call) {
    if (call != kind || --left >= 0) return 0;
    failed++; errno = code;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CALL(call, type, name, signature, arguments) \
    type name signature; \
    type name signature { return fails(call) ? -1 : REAL(name) arguments; }
#define CALL_FD(call, type, name, signature, arguments) \
    type name signature; \
    type name signature { return fd > 2 && fails(call) ? -1 : REAL(name) arguments; }

CALL_FD(WRITE, ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n))
CALL_FD(WRITE, ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
CALL_FD(WRITE, ssize_t, pwrite, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o))
CALL_FD(WRITE, ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o))
CALL_FD(SYNC, int, fsync, (int fd), (fd))
CALL_FD(SYNC, int, fdatasync, (int fd), (fd))
CALL_FD(TRUNCATE, int, ftruncate, (int fd, off_t n), (fd, n))
CALL_FD(TRUNCATE, int, ftruncate64, (int fd, off64_t n), (fd, n))
CALL(RENAME, int, rename, (const char *a, const char *b), (a, b))
CALL(RENAME, int, renameat, (int c, const char *a, int d, const char *b), (c, a, d, b))
