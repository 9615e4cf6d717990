#ifndef GRAFT_CURL_H
#define GRAFT_CURL_H

#include <stddef.h>
#include <stdint.h>

// One HTTP transfer through libcurl, whose option functions are variadic and so out of Swift's
// reach.

typedef struct {
  const char *address;
  /// Further request headers, `Name: value`.
  const char *const *headers;
  size_t header_count;
  /// Seconds without a byte after which the transfer is given up.
  long stall_seconds;
  long connect_seconds;
  /// Called with each line of the headers, of every response on the way (redirects have their own).
  /// Stops the transfer by returning other than 0.
  int32_t (*on_header)(void *context, const char *line, size_t byte_count);
  /// Called with each piece of the body of the last response. Stops the transfer by returning other
  /// than 0.
  int32_t (*on_data)(void *context, long status, const void *bytes, size_t byte_count);
  void *context;
} graft_curl_request;

enum {
  GRAFT_CURL_OK = 0,
  /// A callback stopped the transfer.
  GRAFT_CURL_STOPPED = 1,
  /// No connection, or it was lost, or it stalled: trying again may help.
  GRAFT_CURL_INTERRUPTED = 2,
  /// Anything else, that will not get better by itself.
  GRAFT_CURL_FAILED = 3,
};

typedef struct {
  int32_t outcome;
  /// The status of the last response; 0 if there was none.
  long http_status;
  char message[256];
} graft_curl_result;

/// To be called once, before any other thread exists that uses libcurl; 0 on success.
int32_t graft_curl_initialize(void);

/// Carries out a GET request over http or https; a redirect from https leads to https only.
graft_curl_result graft_curl_get(const graft_curl_request *request);

#endif
