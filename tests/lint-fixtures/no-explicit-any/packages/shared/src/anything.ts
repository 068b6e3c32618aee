export const ANYTHING: any = 1;
