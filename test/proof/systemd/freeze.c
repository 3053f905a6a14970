// freeze TID...: stops these threads where they are, whatever they are doing, and keeps them stopped until their process is dead.
// Unlike SIGSTOP, which stops a whole process, a tracer stops a single thread: the others go on and find that one hangs.
// Prints "frozen" when all of them stand.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    const pid_t thread = (pid_t)strtol(argv[i], NULL, 10);
    int status = 0;
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0 ||
        waitpid(thread, &status, __WALL) != thread) {
      fprintf(stderr, "thread %s cannot be stopped: %s\n", argv[i], strerror(errno));
      return 1;
    }
  }
  printf("frozen\n");
  fflush(stdout);
  // Nobody is let go: what ends them is the end of their process, of which each is told here.
  while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR) {
  }
  return 0;
}
