const note = { type: 'transform', config: { value: { total: '{% $trigger.input.total %}' } } };

/** Three steps without I/O; plain paths only, so everything is evaluated inside the worker. */
export const plainWorkflow = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [
    { id: 'first', ...note },
    { id: 'second', type: 'transform', config: { value: { total: '{% $steps.first.output.total %}' } } },
    { id: 'third', type: 'transform', config: { value: { total: '{% $steps.second.output.total %}' } } },
  ],
};

/** The same, with one aggregate that has to be evaluated in the child process. */
export const aggregateWorkflow = {
  ...plainWorkflow,
  nodes: [
    { id: 'first', ...note },
    { id: 'second', type: 'transform', config: { value: '{% $sum($trigger.input.items.price) %}' } },
    { id: 'third', type: 'transform', config: { value: { total: '{% $steps.second.output %}' } } },
  ],
};

const fields = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`field ${n}`, '{% $trigger.input.total %}']));

/** Three mappings of 300 fields: most of the work is the worker's. */
export const mappingWorkflow = {
  ...plainWorkflow,
  nodes: plainWorkflow.nodes.map(({ id, type }) => ({ id, type, config: { value: fields } })),
};

export const runInput = {
  total: 3,
  items: Array.from({ length: 20 }, (_, index) => ({ name: `item ${index}`, price: index })),
};
