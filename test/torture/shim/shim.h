// What the parts of the shim know of each other. The shim stands between a program and the C library (LD_PRELOAD) and sees what the
// program does to the files of one folder: it can write that down in order, and it can spoil it. Everything else passes untouched.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WATCHED_PATH 512

// watch.c: which files count.
// The name below TORTURE_SHIM_DIR of an open descriptor, or of a path; false for all others. `name` has WATCHED_PATH bytes.
bool watched_fd(int fd, char *name);
bool watched_path(const char *path, char *name);

// record.c: the order of what was done, in the file TORTURE_SHIM_RECORD. Between record_begin and record_end the calling thread is the
// only one that touches watched files, so that the order written down is the order of the kernel; syncs wait outside.
enum { OP_WRITE = 'W', OP_TRUNCATE = 'T', OP_SYNC_BEGUN = 'B', OP_SYNCED = 'S', OP_UNLINK = 'U', OP_RENAME = 'R' };
bool record_on(void);
void record_begin(void);
void record_end(void);
// `where`: offset of a write, size of a truncation, token of a sync. `data`: bytes written, new name of a rename.
void record_op(char kind, const char *name, uint64_t where, const void *data, uint32_t bytes);
uint64_t record_token(void);

// faults.c: what shall go wrong, in the file TORTURE_SHIM_CONTROL, which the bench changes while the program runs. Both give 0, or the
// errno the call shall fail with.
int fault_of_write(int fd, off_t at, size_t bytes); // at < 0: at the descriptor's place
int fault_of_sync(void);                            // may take its time
void fault_gives_back(off_t bytes);                 // a file was removed or cut: the disk has that room again
bool fault_of_room(uint64_t *room, uint64_t *total);
