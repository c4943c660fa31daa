/* A disk that can be told to fail, put before the C library by LD_PRELOAD: no privileges, no mount.
 *
 * RELAIS_TEST_DISK_FILES   the beginning of the names that it rules over: /tmp/x/relais.db has -wal and -shm too
 * RELAIS_TEST_DISK_MODE    a file of one byte, read at every call:
 *     '-' well    'F' full: writes fail with ENOSPC
 *     'L' little room: files grow by ROOM in all, what would grow them further fails with ENOSPC; written over they may be
 *     'R' read-only: writes, and opening for writing, fail with EROFS
 *     'S' fsync and fdatasync fail with EIO; what was written may or may not be there
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define ROOM (512 * 1024)

static const char *files;
static long long left = ROOM;
static volatile const char *mode;

__attribute__((constructor)) static void start(void) {
  const char *control = getenv("RELAIS_TEST_DISK_MODE");
  files = getenv("RELAIS_TEST_DISK_FILES");
  int fd = control ? open(control, O_RDONLY) : -1;
  void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
  if (!files || page == MAP_FAILED) {
    /* Without its orders it would pretend that all is well. */
    fprintf(stderr, "disk.c: RELAIS_TEST_DISK_FILES and RELAIS_TEST_DISK_MODE are needed\n");
    abort();
  }
  close(fd);
  mode = page;
}

static int is_ours(const char *path) { return path && files && strncmp(path, files, strlen(files)) == 0; }

static int fails(int fd, char how) {
  if (!mode || *mode != how) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return is_ours(path);
}

/* True if a write of `n` bytes at `at` does not fit any more; else its growth is taken off what is left. */
static int is_too_much(int fd, size_t n, long long at) {
  struct stat now;
  if (!fails(fd, 'L') || fstat(fd, &now)) return 0;
  long long more = at + (long long)n - now.st_size;
  if (more <= 0 || __atomic_sub_fetch(&left, more, __ATOMIC_SEQ_CST) >= 0) return 0;
  __atomic_add_fetch(&left, more, __ATOMIC_SEQ_CST);
  return 1;
}

/* The error that a write meets, or 0. */
static int refusal(int fd, size_t n, long long at) {
  return fails(fd, 'F') || is_too_much(fd, n, at) ? ENOSPC : fails(fd, 'R') ? EROFS : 0;
}

#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define REFUSE(error) \
  do { int e = (error); if (e) { errno = e; return -1; } } while (0)

ssize_t write(int fd, const void *b, size_t n) { REAL(write); REFUSE(refusal(fd, n, lseek(fd, 0, SEEK_CUR))); return real(fd, b, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { REAL(pwrite); REFUSE(refusal(fd, n, at)); return real(fd, b, n, at); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) { REAL(pwrite64); REFUSE(refusal(fd, n, at)); return real(fd, b, n, at); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); REFUSE(fails(fd, 'R') ? EROFS : 0); return real(fd, n); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); REFUSE(fails(fd, 'R') ? EROFS : 0); return real(fd, n); }
int fsync(int fd) { REAL(fsync); REFUSE(fails(fd, 'S') ? EIO : 0); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); REFUSE(fails(fd, 'S') ? EIO : 0); return real(fd); }

static int is_refused(const char *path, int flags) {
  return mode && *mode == 'R' && is_ours(path) && (flags & (O_WRONLY | O_RDWR | O_TRUNC));
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(name); \
    mode_t bits = 0; \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { va_list more; va_start(more, flags); bits = va_arg(more, mode_t); va_end(more); } \
    REFUSE(is_refused(path, flags) ? EROFS : 0); \
    return real(path, flags, bits); \
  }
OPEN(open)
OPEN(open64)
