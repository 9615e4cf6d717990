import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension RecurrentExamples {
  static var rnn: [OperatorExample] {
    [
      OperatorExample(
        "one direction",
        attributes: ["hidden_size": .int(2)],
        inputs: [
          .floats(
            [
              -0.33, 0.03, -0.96, 0.45, 0.39, -0.16, 0.7, 0.51, -0.33, -0.85, -0.74, -0.63,
            ], [3, 2, 2]),
          .floats([-0.39, -0.1, 0.86, -0.44], [1, 2, 2]),
          .floats([0.8, 0.36, 0.71, -0.19], [1, 2, 2]),
          .floats([-0.99, 0.57, -0.51, -0.72], [1, 4]),
          nil,
          .floats([0.6, 0.37, -0.58, -0.46], [1, 2, 2]),
        ],
        outputs: [
          .floats(
            [
              -0.64172443, -0.09104716, -0.94682672, -0.90478619, -0.97487788, -0.18052506,
              -0.99404903, -0.26617033, -0.97221408, -0.61545995, -0.96671199, -0.82246943,
            ], [3, 1, 2, 2]),
          .floats([-0.97221408, -0.61545995, -0.96671199, -0.82246943], [1, 2, 2]),
        ], differentiableInputs: [0, 1, 2, 3, 5]),
      OperatorExample(
        "two directions, lengths",
        attributes: [
          "activations": .strings([Sigmoid.schema.name, Tanh.schema.name]),
          "direction": .string("bidirectional"),
          "hidden_size": .int(1),
        ],
        inputs: [
          .floats(
            [
              -0.09, 0.72, -0.41, 0.52, 0.27, 0.48, -0.24, 0.45, 0.4, -0.23, -0.95, 0.93,
            ], [3, 2, 2]),
          .floats([0.43, -0.59, 0.46, -0.44], [2, 1, 2]),
          .floats([-0.06, 0.72], [2, 1, 1]),
          .floats([-0.1, -0.42, -0.39, -0.85], [2, 2]),
          .example([2, 3] as [Int32], [2]),
          .floats([-0.56, -0.46, -0.65, -0.87], [2, 2, 1]),
        ],
        outputs: [
          .floats(
            [
              0.27890493, 0.27378559, -0.97927308, -0.98239547, 0.33096266, 0.28799801, -0.94628576,
              -0.97854526, 0, 0.18325027, 0, -0.99123025,
            ], [3, 2, 2, 1]),
          .floats([0.33096266, 0.18325027, -0.97927308, -0.98239547], [2, 2, 1]),
        ], differentiableInputs: [0, 1, 2, 3, 5]),
      OperatorExample(
        "batch first, reverse",
        attributes: ["direction": .string("reverse"), "hidden_size": .int(1), "layout": .int(1)],
        inputs: [
          .floats(
            [
              -0.07, -0.57, 0.48, 0.85, -0.45, 0.14, 0.01, -0.85, -0.75, 0.77, -0.05, 0.61,
            ], [2, 3, 2]),
          .floats([-0.87, 0.19], [1, 1, 2]),
          .floats([0.73], [1, 1, 1]),
          nil,
          nil,
          .floats([0.73, -0.99], [2, 1, 1]),
        ],
        outputs: [
          .floats(
            [
              0.15348106, 0.27685417, 0.74023544, 0.12273595, 0.40213408, -0.51042179,
            ], [2, 3, 1, 1]),
          .floats([0.15348106, 0.12273595], [2, 1, 1]),
        ], differentiableInputs: [0, 1, 2, 5]),
      OperatorExample(
        "Affine",
        attributes: [
          "activation_alpha": .floats([0.7]),
          "activation_beta": .floats([0.3]),
          "activations": .strings([Affine.schema.name]),
          "hidden_size": .int(2),
        ],
        inputs: [
          .floats([0.09, -0.52, 1.04], [3, 1, 1]),
          .floats([-0.85, -0.47], [1, 2, 1]),
          .floats([0.63, -0.06, -0.09, 0.94], [1, 2, 2]),
        ],
        outputs: [
          .floats(
            [
              0.24645, 0.27039, 0.70672807, 0.63347027, -0.033738672, 0.33013957,
            ], [3, 1, 1, 2]),
          .floats([-0.033738672, 0.33013957], [1, 1, 2]),
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "Elu",
        attributes: [
          "activation_alpha": .floats([0.6]),
          "activations": .strings([Elu.schema.name]),
          "hidden_size": .int(2),
        ],
        inputs: [
          .floats([-0.72, -1.83, -0.43], [3, 1, 1]),
          .floats([-0.69, -0.84], [1, 2, 1]),
          .floats([0.14, 0.91, 0.16, 0.29], [1, 2, 2]),
        ],
        outputs: [
          .floats([0.4968, 0.6048, 1.88262, 1.79208, 2.1910596, 1.1821224], [3, 1, 1, 2]),
          .floats([2.1910596, 1.1821224], [1, 1, 2]),
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "HardSigmoid",
        attributes: [
          "activation_alpha": .floats([0.3]),
          "activation_beta": .floats([0.4]),
          "activations": .strings([HardSigmoid.schema.name]),
          "hidden_size": .int(2),
        ],
        inputs: [
          .floats([-0.71, 0.28, 1.01], [3, 1, 1]),
          .floats([0.18, 0.61], [1, 2, 1]),
          .floats([0.1, -0.6, 0.17, -0.02], [1, 2, 2]),
        ],
        outputs: [
          .floats(
            [0.36166, 0.27007, 0.3773572, 0.46806424, 0.38160915, 0.60126683], [3, 1, 1, 2]),
          .floats([0.38160915, 0.60126683], [1, 1, 2]),
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "LeakyRelu",
        attributes: [
          "activation_alpha": .floats([0.2]),
          "activations": .strings([LeakyRelu.schema.name]),
          "hidden_size": .int(2),
        ],
        inputs: [
          .floats([-1.34, 0.48, 1.27], [3, 1, 1]),
          .floats([-0.73, 0.09], [1, 2, 1]),
          .floats([0.47, -0.19, -0.46, -0.26], [1, 2, 2]),
        ],
        outputs: [
          .floats(
            [
              0.9782, -0.02412, 0.1139368, -0.08010016, -0.17166613, 0.082715114,
            ], [3, 1, 1, 2]),
          .floats([-0.17166613, 0.082715114], [1, 1, 2]),
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "Relu",
        attributes: ["activations": .strings([Relu.schema.name]), "hidden_size": .int(2)],
        inputs: [
          .floats([0.17, 0.75, 0.24], [3, 1, 1]),
          .floats([-0.79, 0.64], [1, 2, 1]),
          .floats([0.85, -0.8, -0.5, -0.65], [1, 2, 2]),
        ],
        outputs: [
          .floats([0, 0.1088, 0, 0.40928, 0, 0], [3, 1, 1, 2]),
          .floats([0, 0], [1, 1, 2]),
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "ScaledTanh",
        attributes: [
          "activation_alpha": .floats([0.8]),
          "activation_beta": .floats([1.2]),
          "activations": .strings([ScaledTanh.schema.name]),
          "hidden_size": .int(2),
        ],
        inputs: [
          .floats([1.4, 1.64, -1.82], [3, 1, 1]),
          .floats([-0.34, -0.62], [1, 2, 1]),
          .floats([-0.06, 0.84, -0.86, -0.66], [1, 2, 2]),
        ],
        outputs: [
          .floats(
            [
              -0.41299201, -0.62281528, -0.68242572, -0.23354968, 0.40416766, 0.7821869,
            ], [3, 1, 1, 2]),
          .floats([0.40416766, 0.7821869], [1, 1, 2]),
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "Softplus",
        attributes: ["activations": .strings([Softplus.schema.name]), "hidden_size": .int(2)],
        inputs: [
          .floats([-0.05, 0.1, 0.98], [3, 1, 1]),
          .floats([-0.12, -0.72], [1, 2, 1]),
          .floats([-0.29, 0.96, 0.5, -0.77], [1, 2, 2]),
        ],
        outputs: [
          .floats(
            [
              0.69615168, 0.71130917, 0.95487723, 0.56652586, 0.770608, 0.41514427,
            ], [3, 1, 1, 2]),
          .floats([0.770608, 0.41514427], [1, 1, 2]),
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "Softsign",
        attributes: ["activations": .strings([Softsign.schema.name]), "hidden_size": .int(2)],
        inputs: [
          .floats([1.23, -0.76, 1.13], [3, 1, 1]),
          .floats([-0.97, 0.74], [1, 2, 1]),
          .floats([-0.68, -0.09, 0.32, 0.02], [1, 2, 2]),
        ],
        outputs: [
          .floats(
            [
              -0.54402444, 0.47649461, 0.51556305, -0.4209471, -0.58485512, 0.49818373,
            ], [3, 1, 1, 2]),
          .floats([-0.58485512, 0.49818373], [1, 1, 2]),
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "ThresholdedRelu",
        attributes: [
          "activation_alpha": .floats([0.3]),
          "activations": .strings([ThresholdedRelu.schema.name]),
          "hidden_size": .int(2),
        ],
        inputs: [
          .floats([-1.34, -1.44, -0.86], [3, 1, 1]),
          .floats([-0.9, -0.57], [1, 2, 1]),
          .floats([-0.74, -0.07, -0.29, 0.17], [1, 2, 2]),
        ],
        outputs: [
          .floats([1.206, 0.7638, 0.350094, 0.600906, 0.47286702, 0.49082676], [3, 1, 1, 2]),
          .floats([0.47286702, 0.49082676], [1, 1, 2]),
        ], differentiableInputs: [0, 1, 2]),
    ]
  }

  static var rnnGradient: [OperatorExample] {
    [
      OperatorExample(
        "one direction",
        attributes: ["hidden_size": .int(2)],
        inputs: [
          .floats(
            [
              -0.33, 0.03, -0.96, 0.45, 0.39, -0.16, 0.7, 0.51, -0.33, -0.85, -0.74, -0.63,
            ], [3, 2, 2]),
          .floats([-0.39, -0.1, 0.86, -0.44], [1, 2, 2]),
          .floats([0.8, 0.36, 0.71, -0.19], [1, 2, 2]),
          .floats([-0.99, 0.57, -0.51, -0.72], [1, 4]),
          nil,
          .floats([0.6, 0.37, -0.58, -0.46], [1, 2, 2]),
          .floats(
            [
              0.88, -0.46, 0.4, -0.74, 0.63, -0.76, 0.03, -0.93, 0.1, 0.69, -0.83, -0.45,
            ], [3, 1, 2, 2]),
          .floats([0.53, 0.22, -0.37, 0.26], [1, 2, 2]),
        ],
        outputs: [
          .floats([0.14325064, 0.094297922, 0.76490788, 0.72904902], [1, 2, 2]),
          .floats([0.023995871, 0.0066960726, -0.88658839, -0.81323231], [1, 2, 2]),
          .floats([0.18119563, -1.5883666, 0.18119563, -1.5883666], [1, 4]),
          .floats(
            [
              -0.31895543, 0.10420389, -0.080313169, 0.048073327, -0.73180954, 0.35867679,
              -0.75604919, 0.38708776, 0.47269389, -0.25218449, -0.022228103, 0.034904432,
            ], [3, 2, 2]),
          .floats([-0.04239077, 0.12438927, -0.092460996, 0.011359813], [1, 2, 2]),
        ])
    ]
  }
}
