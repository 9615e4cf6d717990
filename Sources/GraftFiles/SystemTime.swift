/// The system's clocks.
package enum SystemTime {
  /// Nanoseconds of a monotonic clock.
  package static var monotonic: UInt64 { UInt64(nanoseconds(of: CLOCK_MONOTONIC)) }

  /// Nanoseconds since 1970.
  package static var sinceEpoch: Int { nanoseconds(of: CLOCK_REALTIME) }

  private static func nanoseconds(of clock: clockid_t) -> Int {
    var time = timespec()
    clock_gettime(clock, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }
}
