// The C library: system calls, and the functions of <math.h>. Importing GraftFiles is enough.
#if canImport(Darwin)
  @_exported import Darwin
#elseif canImport(Glibc)
  @_exported import Glibc
#elseif canImport(Musl)
  @_exported import Musl
#endif
