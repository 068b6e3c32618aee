export const LEVEL = process.env.LEVEL;
