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

  // MARK: Memory that the caller gives up

  /// A decoder's step: the cache is an input, and what the step makes of it goes back there.
  private static func step(_ kind: String) throws -> Graph {
    var graph = Graph(name: "step")
    let query = graph.addInput(name: "query", type: TensorType(.float, [1, 1, 2, 4]))
    let entry = graph.addInput(name: "entry", type: TensorType(.float, [1, 1, 1, 4]))
    let key = graph.addInput(
      name: "key", type: TensorType(.float, [1, 1, .symbol("past"), 4]))
    let value = graph.addInput(
      name: "value", type: TensorType(.float, [1, 1, .symbol("past"), 4]))
    switch kind {
    case "TensorScatter":
      let place = graph.addInput(name: "place", type: TensorType(.int64, [1]))
      let (keys, values) = (
        graph.addNode(kind, [key, entry, place]), graph.addNode(kind, [value, entry, place])
      )
      let one = graph.addConstant(try Tensor([1] as [Int64], shape: [1]))
      let count = graph.addNode("Add", [place, one])
      graph.outputs = [
        graph.addNode("Attention", [query, keys, values, nil, nil, nil, count]), keys, values,
      ]
    case "Concat":
      let (keys, values) = (
        graph.addNode(kind, [key, entry], attributes: ["axis": .int(2)]),
        graph.addNode(kind, [value, entry], attributes: ["axis": .int(-2)])
      )
      graph.outputs = [graph.addNode("Attention", [query, keys, values]), keys, values]
    default:
      graph.outputs = graph.addNode(
        kind, [query, entry, entry, nil, key, value], outputCount: 3)
    }
    return graph
  }

  private static func numbers(_ shape: [Int], _ start: Int) throws -> Tensor {
    try Tensor((0..<shape.elementCount).map { Float(($0 + start) % 7) / 4 - 1 }, shape: shape)
  }

  /// Steps over one buffer give what steps over new ones give, and write the new entries only.
  @Test(arguments: ["TensorScatter", "Concat", "Attention"])
  func givenUpCaches(_ kind: String) throws {
    let room = 6
    let isFixed = kind == "TensorScatter"
    let graph = try Self.step(kind)
    let (session, reference) = (Session(try Executable(graph)), Session(try Executable(graph)))
    session.profile = Profile()
    let (keys, values) = (
      try Self.numbers([1, 1, room, 4], 1), try Self.numbers([1, 1, room, 4], 2)
    )
    func view(_ buffer: Tensor, _ count: Int) throws -> Tensor {
      try Tensor(elementType: .float, shape: [1, 1, count, 4], storage: buffer.storage)
    }
    var expected = try [keys, values].map { try view($0, isFixed ? room : 2).copied() }
    for past in 2..<room {
      let (query, entry) = (
        try Self.numbers([1, 1, 2, 4], past), try Self.numbers([1, 1, 1, 4], 3 * past)
      )
      let place = isFixed ? [try Tensor([Int64(past)], shape: [1])] : []
      let results = try reference.run([query, entry] + expected + place)
      let caches = try [keys, values].map { try view($0, isFixed ? room : past) }
      let grown = try [keys, values].map { try view($0, isFixed ? room : past + 1) }
      let context = try Tensor(zeros: .float, shape: [1, 1, 2, 4])
      try session.run([query, entry] + caches + place, into: [context] + grown)
      for (result, expected) in zip([context] + grown, results) {
        #expect(try result.elements(as: Float.self) == expected.elements(as: Float.self))
      }
      expected = Array(results.dropFirst())
    }
    // No step copies a cache to where it goes.
    #expect(try #require(session.profile).steps.allSatisfy { $0.operatorType != "copy" })
  }

  /// Heads side by side lie apart in a longer cache, so that it is made elsewhere.
  @Test func cachesOfSeveralHeads() throws {
    var graph = Graph(name: "step")
    let past = graph.addInput(
      name: "past", type: TensorType(.float, [1, 2, .symbol("past"), 4]))
    let entry = graph.addInput(name: "entry", type: TensorType(.float, [1, 2, 1, 4]))
    graph.outputs = [graph.addNode("Concat", [past, entry], attributes: ["axis": .int(2)])]
    let session = Session(try Executable(graph))
    let (old, new) = (try Self.numbers([1, 2, 3, 4], 1), try Self.numbers([1, 2, 1, 4], 5))
    let expected = try session.run([old, new])[0].elements(as: Float.self)
    let buffer = try Tensor(zeros: .float, shape: [1, 2, 4, 4])
    let view = try Tensor(elementType: .float, shape: [1, 2, 3, 4], storage: buffer.storage)
    buffer.withUnsafeMutableBytes { target in
      old.withUnsafeBytes { target.copyMemory(from: $0) }
    }
    try session.run([view, new], into: [buffer])
    #expect(try buffer.elements(as: Float.self) == expected)
  }

  /// Other readers get the old cache, before or after the update.
  @Test(arguments: ["Neg", "Identity"])
  func otherReadersOfGivenUpCaches(_ reader: String) throws {
    var graph = Graph(name: "step")
    let type = TensorType(.float, [Dimension](Self.shape))
    let cache = graph.addInput(name: "cache", type: type)
    let update = graph.addInput(name: "update", type: TensorType(.float, [1, 2, 1, 16]))
    let next = graph.addNode("TensorScatter", [cache, update])
    graph.outputs = [next, graph.addNode(reader, [cache])]
    let session = Session(try Executable(graph))
    let (old, new) = (try Self.numbers(Self.shape, 1), try Self.numbers([1, 2, 1, 16], 5))
    let expected = try session.run([old, new]).map { try $0.elements(as: Float.self) }
    let other = try Tensor(zeros: .float, shape: Self.shape)
    try session.run([old, new], into: [old, other])
    #expect(try old.elements(as: Float.self) == expected[0])
    #expect(try other.elements(as: Float.self) == expected[1])
  }

  /// Outputs of any kind may go where inputs were; they are written when all have been read.
  @Test func outputsInPlaceOfInputs() throws {
    var graph = Graph(name: "swap")
    let (a, b) = (
      graph.addInput(name: "a", type: TensorType(.float, [2])),
      graph.addInput(name: "b", type: TensorType(.float, [2]))
    )
    graph.outputs = [graph.addNode("Add", [a, b]), graph.addNode("Sub", [a, b])]
    let session = Session(try Executable(graph))
    let (left, right) = (
      try Tensor([5, 7] as [Float], shape: [2]), try Tensor([1, 2] as [Float], shape: [2])
    )
    try session.run([left, right], into: [left, right])
    #expect(try left.elements(as: Float.self) == [6, 9])
    #expect(try right.elements(as: Float.self) == [4, 5])
    // The same session with outputs elsewhere, and the other way around.
    let outputs = try [[2], [2]].map { try Tensor(zeros: .float, shape: $0) }
    try session.run([left, right], into: outputs)
    #expect(try outputs[0].elements(as: Float.self) == [10, 14])
    try session.run([left, right], into: [right, left])
    #expect(try left.elements(as: Float.self) == [2, 4])
    #expect(try right.elements(as: Float.self) == [10, 14])
  }

  @Test func memoryThatOverlaps() throws {
    var graph = Graph(name: "exchange")
    let (a, b) = (
      graph.addInput(name: "a", type: TensorType(.float, [2])),
      graph.addInput(name: "b", type: TensorType(.float, [2]))
    )
    graph.outputs = [graph.addNode("Identity", [b]), graph.addNode("Identity", [a])]
    let session = Session(try Executable(graph))
    let memory = try Tensor(zeros: .float, shape: [4])
    func part(_ start: Int) throws -> Tensor {
      try Tensor(
        elementType: .float, shape: [2], storage: memory.storage, byteOffset: 4 * start)
    }
    let other = try Tensor(zeros: .float, shape: [2])
    expectError(.usage, "overlaps that of input 'a'") {
      try session.run([part(0), other], into: [part(1), Tensor(zeros: .float, shape: [2])])
    }
    expectError(.unavailable, "whose memory another output takes") {
      try session.run([part(0), part(2)], into: [part(0), part(2)])
    }
  }
}
