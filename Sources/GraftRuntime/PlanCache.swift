import GraftFiles
import GraftTensor

/// The plans of a session, by position in a chain, and their memory.
struct PlanCache {
  private static let planLimit = 4

  /// For each position, most recently used first.
  private var plans: [[BoundPlan]] = []
  /// The number of plans per arena: plans at the same position share one if it is large enough.
  private var arenas: [ObjectIdentifier: Int] = [:]
  /// The bytes of all plans.
  private(set) var byteCount = 0

  /// The bytes of memory that bodies in the plans hold themselves.
  var bodiesByteCount: Int {
    plans.reduce(0) { $0 + $1.reduce(0) { $0 + $1.bodiesByteCount } }
  }

  var isEmpty: Bool { arenas.isEmpty }

  /// The bytes of intermediate values in the largest plan.
  var largestArenaByteCount: Int { plans.joined().map(\.plan.arenaByteCount).max() ?? 0 }

  func contains(arena: Storage) -> Bool { arenas[ObjectIdentifier(arena)] != nil }

  /// The plan for some values, which becomes the most recently used one.
  mutating func plan(
    depth: Int, _ values: [RuntimeValue], nodes: [Int]?, shared: [Int: Int]
  ) -> BoundPlan? {
    guard depth < plans.count,
      let index = plans[depth].firstIndex(where: {
        $0.plan.request.fits(values, nodes: nodes, shared: shared)
      })
    else { return nil }
    if index > 0 { plans[depth].insert(plans[depth].remove(at: index), at: 0) }
    return plans[depth][0]
  }

  /// Makes room for another plan, releasing memory before more is allocated.
  mutating func makeRoom(depth: Int) {
    while plans.count <= depth { plans.append([]) }
    if plans[depth].count >= PlanCache.planLimit { forget(plans[depth].removeLast()) }
  }

  mutating func insert(_ plan: BoundPlan, depth: Int) {
    plans[depth].insert(plan, at: 0)
    byteCount += plan.plan.byteCount
    let (count, arena) = (arenas[ObjectIdentifier(plan.arena)] ?? 0, plan.arena)
    if count == 0 { byteCount += arena.byteCount }
    arenas[ObjectIdentifier(arena)] = count + 1
  }

  /// The largest arena at a position. Only one of the plans there runs at a time.
  func largestArena(depth: Int) -> Storage? {
    plans[depth].map(\.arena).max { $0.byteCount < $1.byteCount }
  }

  mutating func removeAll() {
    for index in plans.indices { plans[index].removeAll() }
    arenas = [:]
    byteCount = 0
  }

  private mutating func forget(_ plan: BoundPlan) {
    byteCount -= plan.plan.byteCount
    let arena = ObjectIdentifier(plan.arena)
    arenas[arena] = arenas[arena].flatMap { $0 > 1 ? $0 - 1 : nil }
    if arenas[arena] == nil { byteCount -= plan.arena.byteCount }
  }
}
