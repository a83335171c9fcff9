/*
 * Preloaded into a broker, it writes down what a power cut would leave: which bytes of which files below a directory
 * were synced, and which names. It can also hold syncs back, or let one fail.
 *
 *   POWER_CUT_DATA     the directory that counts
 *   POWER_CUT_RECORD   the file to append to; a line each, with inode numbers:
 *                        F 17 400   of file 17 the first 400 bytes are on the disk
 *                        E 17       a name of file 17 is on the disk
 *                        U 17       file 17 lost its name
 *   POWER_CUT_GATE     while this file exists, syncs of write-ahead logs wait
 *   POWER_CUT_FAIL     this many syncs of write-ahead logs succeed, the next one fails with EIO
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *data, *gate;
static int record = -1;
static long good_syncs = -1, syncs;

__attribute__((constructor)) static void prepare(void)
{
	const char *path = getenv("POWER_CUT_RECORD"), *count = getenv("POWER_CUT_FAIL");

	data = getenv("POWER_CUT_DATA");
	gate = getenv("POWER_CUT_GATE");
	if (path)
		record = open(path, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
	if (count)
		good_syncs = atol(count);
}

static int counts(const char *path)
{
	return data && record >= 0 && !strncmp(path, data, strlen(data));
}

static int is_log(const char *path)
{
	size_t length = strlen(path);

	return length > 4 && !strcmp(path + length - 4, ".log");
}

/* Writes the names of a directory into `text`, as they are before its sync. */
static void list(const char *path, FILE *text)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		fprintf(text, "E %lu\n", (unsigned long)entry->d_ino);
	if (directory)
		closedir(directory);
}

static int sync_file(int fd, int (*real)(int))
{
	char link[64], path[PATH_MAX + 1], *line = NULL;
	struct stat file;
	size_t length;
	FILE *text;
	int result;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t end = readlink(link, path, PATH_MAX);
	path[end < 0 ? 0 : end] = 0;
	if (end < 0 || !counts(path) || fstat(fd, &file))
		return real(fd);
	text = open_memstream(&line, &length);
	if (S_ISDIR(file.st_mode))
		list(path, text);
	else
		fprintf(text, "F %lu %lld\n", (unsigned long)file.st_ino, (long long)file.st_size);
	fclose(text);
	if (is_log(path)) {
		while (gate && !access(gate, F_OK))
			usleep(1000);
		if (good_syncs >= 0 && __sync_fetch_and_add(&syncs, 1) == good_syncs) {
			free(line);
			errno = EIO;
			return -1;
		}
	}
	result = real(fd);
	if (!result && write(record, line, length) < 0)
		abort();
	free(line);
	return result;
}

int fsync(int fd)
{
	return sync_file(fd, (int (*)(int))dlsym(RTLD_NEXT, "fsync"));
}

int fdatasync(int fd)
{
	return sync_file(fd, (int (*)(int))dlsym(RTLD_NEXT, "fdatasync"));
}

/* The number of a file that is about to lose a name may be given to another one. */
static void forget(const char *path)
{
	struct stat file;

	if (counts(path) && !stat(path, &file))
		dprintf(record, "U %lu\n", (unsigned long)file.st_ino);
}

int unlink(const char *path)
{
	forget(path);
	return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
}

/* A name that is replaced is there with the old file or with the new one; here it is the new one. */
int rename(const char *from, const char *to)
{
	struct stat file;

	if (counts(to) && !access(to, F_OK) && !stat(from, &file)) {
		forget(to);
		dprintf(record, "E %lu\n", (unsigned long)file.st_ino);
	}
	return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
