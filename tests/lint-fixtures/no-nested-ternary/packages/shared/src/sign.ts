export const sign = (value: number) => (value > 0 ? 1 : value < 0 ? -1 : 0);
