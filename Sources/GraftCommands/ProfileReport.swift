import Graft
import GraftFiles
import GraftRuntime

/// Shows a profile as text and as a trace.
enum ProfileReport {
  private static let stepLimit = 20

  /// Time by operator, then the slowest steps, in milliseconds per run.
  static func text(_ profile: Profile, runs: Int) -> String {
    let total = profile.operators.reduce(0) { $0 + $1.nanoseconds }
    func rows(_ entries: some Sequence<Profile.Entry>) -> [[String]] {
      entries.map { entry in
        [
          entry.label,
          String(printf: "%.3f", Double(entry.nanoseconds) / 1e6 / Double(runs)),
          String(printf: "%.1f %%", 100 * Double(entry.nanoseconds) / Double(max(total, 1))),
        ]
      }
    }
    let operators = Terminal.table(
      [["operator", "ms per run", "share"]] + rows(profile.operators), rightAligned: [1, 2],
      width: Terminal.tableWidth)
    let steps = Terminal.table(
      [["node", "ms per run", "share"]] + rows(profile.steps.prefix(stepLimit)),
      rightAligned: [1, 2], width: Terminal.tableWidth)
    return "\n\(operators)\n\n\(steps)"
  }

  private struct TraceEvent: Encodable {
    let name: String
    let cat: String
    let ph = "X"
    /// Microseconds.
    let ts: Double
    let dur: Double
    let pid = 1
    let tid = 1
  }

  /// Writes Chrome's trace event format.
  ///
  /// Source: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>
  static func writeTrace(_ profile: Profile, path: String) throws {
    let events = profile.events.map {
      TraceEvent(
        name: $0.label, cat: $0.operatorType, ts: Double($0.start) / 1e3,
        dur: Double($0.duration) / 1e3)
    }
    try TextFile.save(JSONText.encode(["traceEvents": events]), to: path)
  }
}
