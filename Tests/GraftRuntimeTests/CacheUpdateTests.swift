import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Caches of keys and values that steps update: in place, where nobody else reads them.
@Suite struct CacheUpdateTests {
  private static let shape = [1, 2, 64, 16]
  private static var byteCount: Int { shape.elementCount * 4 }

  /// When a trip reads the whole cache.
  private enum Reading: CaseIterable {
    case before, after
  }

  /// A body that writes the number of the trip into the cache at its place, and sums the cache.
  private static func body(_ updating: String, _ reading: Reading, isScan: Bool) throws -> Graph {
    let cacheType = TensorType(.float, [Dimension](shape))
    let fill: (inout Graph, ValueID, ValueID) throws -> [ValueID] = { body, trip, cache in
      let number = body.addNode("Cast", [trip], attributes: ["to": .int(1)])
      let row = body.addConstant(try Tensor([1, 2, 1, 16] as [Int64], shape: [4]))
      let update = body.addNode("Expand", [number, row])
      let one = body.addConstant(try Tensor([1] as [Int64], shape: [1]))
      let place = body.addNode("Reshape", [trip, one])
      let next: ValueID
      if updating == "TensorScatter" {
        next = body.addNode(updating, [cache, update, place])
      } else {
        let places = body.addConstant(try Tensor([1, 2, 1, 16] as [Int64], shape: [4]))
        let indices = body.addNode("Expand", [trip, places])
        next = body.addNode(
          updating, [cache, indices, update], attributes: ["axis": .int(2)])
      }
      let read = body.addNode(
        "ReduceSum", [reading == .before ? cache : next], attributes: ["keepdims": .int(0)])
      return [next, read]
    }
    guard isScan else {
      return try .loopBody([("cache", cacheType)]) { body, trip, condition, carried in
        [body.addNode("Identity", [condition])] + (try fill(&body, trip, carried[0]))
      }
    }
    let inputs = [("cache", cacheType), ("trip", TensorType(.int64, []))]
    return try .body("body", inputs) { body, ids in try fill(&body, ids[1], ids[0]) }
  }

  private static func graph(
    _ updating: String, _ reading: Reading, isScan: Bool
  ) throws -> Graph {
    var graph = Graph(name: "decoder")
    let cache = graph.addInput(name: "cache", type: TensorType(.float, [Dimension](shape)))
    let trips = graph.addInput(
      name: "trips", type: TensorType(.int64, isScan ? [5] : []))
    let body = try body(updating, reading, isScan: isScan)
    let outputs =
      isScan
      ? graph.addNode(
        "Scan", [cache, trips],
        attributes: ["body": .graph(body), "num_scan_inputs": .int(1)], outputCount: 2)
      : graph.addNode(
        "Loop", [trips, nil, cache], attributes: ["body": .graph(body)], outputCount: 2)
    // The initial cache has another reader.
    graph.outputs = outputs + [graph.addNode("Neg", [cache])]
    return graph
  }

  @Test(arguments: ["TensorScatter", "ScatterElements"], [true, false])
  func carriedCaches(_ updating: String, _ isScan: Bool) throws {
    for reading in Reading.allCases {
      let executable = try Executable(Self.graph(updating, reading, isScan: isScan))
      let session = Session(executable)
      let cache = try Tensor(
        [Float](repeating: 1, count: Self.shape.elementCount), shape: Self.shape)
      for count in isScan ? [5] : [0, 1, 2, 5] {
        let trips =
          isScan
          ? try Tensor((0..<count).map(Int64.init), shape: [count])
          : try Tensor(scalar: Int64(count))
        let results = try session.run([cache, trips])
        let rows = (0..<64).map { Float($0 < count ? $0 : 1) }
        let expected = (0..<2).flatMap { _ in
          rows.flatMap { [Float](repeating: $0, count: 16) }
        }
        #expect(try results[0].elements(as: Float.self) == expected)
        let sums = (0..<count).map { trip in
          let written = reading == .after ? trip + 1 : trip
          return Float(32 * (64 - written + (0..<written).reduce(0, +)))
        }
        #expect(try results[1].elements(as: Float.self) == sums)
        #expect(try results[2].elements(as: Float.self) == expected.map { _ in -1 })
        #expect(try cache.elements(as: Float.self) == expected.map { _ in 1 })
      }
    }
  }

  /// A cache that is updated in place needs no second one.
  @Test(arguments: ["TensorScatter", "ScatterElements"], [true, false])
  func carriedCachesTakeOnePlace(_ updating: String, _ isScan: Bool) throws {
    let byteCounts = try Reading.allCases.map { reading in
      try Executable(Self.graph(updating, reading, isScan: isScan)).plannedByteCount(batch: 1)
    }
    #expect(byteCounts[0] - byteCounts[1] >= Self.byteCount)
  }

  /// Within a plan, the last reader updates a cache in place.
  @Test func cachesWithinAPlan() throws {
    func byteCount(_ isReadLater: Bool) throws -> Int {
      var graph = Graph(name: "step")
      let type = TensorType(.float, [Dimension](Self.shape))
      let past = graph.addNode("Neg", [graph.addInput(name: "cache", type: type)])
      let update = graph.addInput(name: "update", type: TensorType(.float, [1, 2, 1, 16]))
      let present = graph.addNode("TensorScatter", [past, update])
      let query = graph.addInput(name: "query", type: TensorType(.float, [1, 2, 1, 16]))
      let length = graph.addConstant(try Tensor([3] as [Int64], shape: [1]))
      let context = graph.addNode(
        "Attention", [query, present, present, nil, nil, nil, length])
      graph.outputs = [context]
      if isReadLater { graph.outputs.append(graph.addNode("ReduceSum", [past])) }
      return try Executable(graph).plannedByteCount(batch: 1)
    }
    #expect(try byteCount(true) - byteCount(false) >= Self.byteCount)
  }
}
