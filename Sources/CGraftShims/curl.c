#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "graft_curl.h"

int32_t graft_curl_initialize(void) { return (int32_t)curl_global_init(CURL_GLOBAL_DEFAULT); }

typedef struct {
  const graft_curl_request *request;
  CURL *handle;
} transfer;

static size_t receive_header(char *line, size_t size, size_t count, void *context) {
  const transfer *const current = context;
  const graft_curl_request *const request = current->request;
  return request->on_header(request->context, line, size * count) == 0 ? size * count : 0;
}

static size_t receive_data(char *bytes, size_t size, size_t count, void *context) {
  const transfer *const current = context;
  const graft_curl_request *const request = current->request;
  long status = 0;
  curl_easy_getinfo(current->handle, CURLINFO_RESPONSE_CODE, &status);
  // CURL_WRITEFUNC_ERROR is newer than some systems' libcurl; any other count stops the transfer
  // too.
  return request->on_data(request->context, status, bytes, size * count) == 0 ? size * count
                                                                              : size * count + 1;
}

static int32_t outcome_of(CURLcode code) {
  switch (code) {
    case CURLE_OK: return GRAFT_CURL_OK;
    case CURLE_WRITE_ERROR: return GRAFT_CURL_STOPPED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return GRAFT_CURL_INTERRUPTED;
    default: return GRAFT_CURL_FAILED;
  }
}

static void limit_protocols(CURL *handle, const char *address) {
  const int is_secure = strncasecmp(address, "https:", 6) == 0;
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, is_secure ? "https" : "http,https");
#else
  const long both = CURLPROTO_HTTP | CURLPROTO_HTTPS;
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS, both);
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS, is_secure ? (long)CURLPROTO_HTTPS : both);
#endif
}

graft_curl_result graft_curl_get(const graft_curl_request *request) {
  graft_curl_result result = {GRAFT_CURL_FAILED, 0, "libcurl cannot be set up"};
  CURL *const handle = curl_easy_init();
  if (!handle) return result;
  transfer current = {request, handle};
  char message[CURL_ERROR_SIZE] = "";
  struct curl_slist *headers = NULL;
  for (size_t i = 0; i < request->header_count; i++) {
    struct curl_slist *const longer = curl_slist_append(headers, request->headers[i]);
    if (!longer) {
      curl_slist_free_all(headers);
      curl_easy_cleanup(handle);
      return result;
    }
    headers = longer;
  }
  curl_easy_setopt(handle, CURLOPT_URL, request->address);
  limit_protocols(handle, request->address);
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "graft");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, request->connect_seconds);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, request->stall_seconds);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, receive_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &current);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive_data);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &current);

  const CURLcode code = curl_easy_perform(handle);
  result.outcome = outcome_of(code);
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &result.http_status);
  const char *const reason = message[0] ? message : curl_easy_strerror(code);
  strncpy(result.message, reason, sizeof result.message - 1);
  result.message[sizeof result.message - 1] = '\0';
  curl_slist_free_all(headers);
  curl_easy_cleanup(handle);
  return result;
}
