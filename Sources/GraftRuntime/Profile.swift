import GraftExecution
import GraftFiles

/// The times of single steps, summed over runs. Not thread-safe.
package final class Profile {
  package struct Entry: Sendable {
    package var label: String
    package var operatorType: String
    /// The chosen one of several kernels.
    package var choice: KernelChoice?
    package var nanoseconds: UInt64
    package var count: Int
  }

  /// One run of one step, for a trace.
  package struct Event: Sendable {
    package var label: String
    package var operatorType: String
    /// Nanoseconds since the profile was created.
    package var start: UInt64
    package var duration: UInt64
  }

  /// The limit of stored events; later ones only count in the sums.
  private static let eventLimit = 100_000

  private struct Key: Hashable {
    let plan: ObjectIdentifier
    let step: Int
  }

  private let origin = Profile.now()
  private var sums: [Key: Entry] = [:]
  package private(set) var events: [Event] = []

  package init() {}

  static func now() -> UInt64 { SystemTime.monotonic }

  func add(step: Int, of plan: Plan, start: UInt64) {
    let duration = Profile.now() - start
    let label = plan.steps[step].label
    let operatorType = plan.steps[step].operatorType
    let key = Key(plan: ObjectIdentifier(plan), step: step)
    sums[
      key,
      default: Entry(
        label: label, operatorType: operatorType, choice: plan.steps[step].kernel.choice,
        nanoseconds: 0, count: 0)
    ].nanoseconds += duration
    sums[key]!.count += 1
    if events.count < Profile.eventLimit {
      events.append(
        Event(
          label: label, operatorType: operatorType, start: start - origin, duration: duration))
    }
  }

  /// The steps, slowest first.
  package var steps: [Entry] {
    sums.values.sorted { ($0.nanoseconds, $1.label) > ($1.nanoseconds, $0.label) }
  }

  /// Time by operator, slowest first.
  package var operators: [Entry] {
    var sums: [ByteString: Entry] = [:]
    for step in steps {
      sums[
        step.operatorType,
        default: Entry(
          label: step.operatorType, operatorType: step.operatorType, nanoseconds: 0, count: 0)
      ].nanoseconds += step.nanoseconds
      sums[step.operatorType]?.count += step.count
    }
    return sums.values.sorted { ($0.nanoseconds, $1.label) > ($1.nanoseconds, $0.label) }
  }
}
