export interface WorkflowTemplate {
  id: 'purchase-approval' | 'website-check' | 'sort-orders';
  name: string;
  about: string;
  dsl: Record<string, unknown>;
}

/** What a new workspace can begin with: each is published as it stands and shows another part of the language. */
export const TEMPLATES: WorkflowTemplate[] = [
  {
    id: 'purchase-approval',
    name: 'Approve a purchase',
    about: 'Small amounts pass; large ones wait until somebody approves or rejects them.',
    dsl: {
      version: 'v2',
      trigger: {
        type: 'trigger.manual',
        config: {
          inputSchema: {
            type: 'object',
            required: ['item', 'price'],
            properties: { item: { type: 'string' }, price: { type: 'number' } },
          },
        },
      },
      nodes: [
        { id: 'large', type: 'condition', config: { if: '{% $trigger.input.price > 500 %}' } },
        {
          id: 'ask',
          type: 'approval',
          config: { by: 'admin', note: 'Buy {% $trigger.input.item %} for {% $trigger.input.price %}?' },
        },
        { id: 'approved', type: 'transform', config: { value: 'Approved by {% $steps.ask.output.decidedBy %}' } },
        { id: 'rejected', type: 'fail', config: { code: 'REJECTED', message: 'The purchase was rejected.' } },
        { id: 'passed', type: 'transform', config: { value: 'Small enough to pass' } },
      ],
      edges: [
        { from: 'large', to: 'ask', branch: 'true' },
        { from: 'large', to: 'passed', branch: 'false' },
        { from: 'ask', to: 'approved', branch: 'approved' },
        { from: 'ask', to: 'rejected', branch: 'rejected' },
      ],
    },
  },
  {
    id: 'website-check',
    name: 'Watch a website',
    about: 'Every 15 minutes it asks a page, three times if need be, and fails when that does not answer.',
    dsl: {
      version: 'v2',
      trigger: { type: 'trigger.cron', config: { expression: '*/15 * * * *' } },
      constants: { url: 'https://example.com/' },
      nodes: [
        {
          id: 'ask',
          type: 'http.request',
          config: { method: 'GET', url: '{% $constants.url %}' },
          retry: { maxAttempts: 3, backoffMs: 5000 },
        },
        {
          id: 'report',
          type: 'transform',
          config: { value: { url: '{% $constants.url %}', status: '{% $steps.ask.output.status %}' } },
        },
      ],
    },
  },
  {
    id: 'sort-orders',
    name: 'Sort incoming orders',
    about: 'Takes orders at a webhook, adds them up and sends each down a path of its own.',
    dsl: {
      version: 'v2',
      trigger: { type: 'trigger.webhook' },
      nodes: [
        { id: 'total', type: 'transform', config: { value: '{% $sum($trigger.input.body.items.price) %}' } },
        {
          id: 'size',
          type: 'switch',
          config: { cases: [{ name: 'large', if: '{% $steps.total.output > 1000 %}' }] },
        },
        { id: 'review', type: 'transform', config: { value: { order: 'review', total: '{% $steps.total.output %}' } } },
        { id: 'book', type: 'transform', config: { value: { order: 'book', total: '{% $steps.total.output %}' } } },
      ],
      edges: [
        { from: 'total', to: 'size' },
        { from: 'size', to: 'review', branch: 'large' },
        { from: 'size', to: 'book', branch: 'default' },
      ],
    },
  },
];

/** One step that answers its input: the least that can be published. */
export const SCRATCH: Record<string, unknown> = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'answer', type: 'transform', config: { value: '{% $trigger.input %}' } }],
};
