console.log(process.env.LEVEL);
