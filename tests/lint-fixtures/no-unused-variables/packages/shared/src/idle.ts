const idle = 1;

export const VALUE = 2;
