/** The demo's workflow: calls a server, decides on its answer, and shapes the result. */
export const demoWorkflow = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [
    {
      id: 'fetch',
      type: 'http.request',
      name: 'Ask the echo server',
      config: { method: 'GET', url: '{% $trigger.input.url %}' },
    },
    {
      id: 'answered',
      type: 'condition',
      name: 'Did it answer?',
      config: { if: '{% $steps.fetch.output.status = 200 %}' },
    },
    {
      id: 'result',
      type: 'transform',
      name: 'Shape the result',
      config: {
        value: {
          greeting: '{% $steps.fetch.output.body.greeting %}',
          secretOfThisStart: '{% $steps.fetch.output.body.secretOfThisStart %}',
        },
      },
    },
  ],
  edges: [
    { from: 'fetch', to: 'answered' },
    { from: 'answered', to: 'result', branch: 'true' },
  ],
};
